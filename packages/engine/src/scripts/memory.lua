-- The memory of requests that came without an idempotency key: a sorted set of the videos that one and the same
-- request made. The score is when it was asked, in ms; less `told` once the answer went out whole.
local told = 1e13

-- The video that a repeated request is about: the latest whose answer was lost, else the latest. It counts as told,
-- so that another repeat finds the next one.
local function repeat_of(key, record, own_id)
  local all = redis.call('ZRANGE', key, 0, -1, 'REV', 'WITHSCORES')
  for at = 1, #all, 2 do
    local id, score = all[at], tonumber(all[at + 1])
    -- One that was deleted since answers nothing; its record would be beside the new one's.
    if redis.call('EXISTS', string.sub(record, 1, -#own_id - 1) .. id) == 1 then
      if score > 0 then redis.call('ZADD', key, 'XX', score - told, id) end
      return id
    end
    redis.call('ZREM', key, id)
  end
end

local function remember(key, id, at, keep_ms)
  redis.call('ZADD', key, at, id)
  redis.call('ZREMRANGEBYRANK', key, 0, -101)
  redis.call('PEXPIRE', key, keep_ms)
end
