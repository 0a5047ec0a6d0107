-- A batch, a HASH; `batches/record.ts` names its fields.

-- Whether a batch lets a clip be sent: nothing, or {'held', its state, why} | {'canary'}.
local function batch_refuses(batch)
  local gate = redis.call('HMGET', batch, 'state', 'why', 'sendable')
  if gate[1] ~= 'running' then return { 'held', gate[1] or 'gone', gate[2] or '' } end
  if gate[3] and tonumber(gate[3]) <= 0 then return { 'canary' } end
  return nil
end

local function batch_event(events, kind, it, at)
  redis.call('XADD', events, 'MAXLEN', '~', it.events, '*',
    'project', it.project, 'type', kind, 'subject', it.id, 'at', at)
end

local function batch_pauses(batch, events, reason, why, it, at)
  redis.call('HSET', batch, 'state', 'paused', 'reason', reason, 'why', why, 'since', at, 'updatedAt', at)
  batch_event(events, 'batch.paused', it, at)
  return why
end

-- Too many failures of one class in a row, or too much money without a file. Returns why, where that pauses the batch.
local function stop_loss(batch, events, it, at)
  local known = redis.call('HMGET', batch, 'state', 'stopAfter', 'stopBarren', 'streak', 'streakClass', 'barren')
  if known[1] ~= 'running' then return end
  local most, streak = tonumber(known[2] or '') or 0, tonumber(known[4] or '') or 0
  if most > 0 and streak >= most then
    return batch_pauses(batch, events, 'stop_loss', streak .. ' clips in a row failed as ' .. known[5] .. '.', it, at)
  end
  local cap, barren = tonumber(known[3] or ''), tonumber(known[6] or '') or 0
  if cap and barren >= cap and barren > 0 then
    local amount = string.format('$%.6f', barren / 1e6):gsub('0?0?0?0$', '')
    return batch_pauses(batch, events, 'stop_loss', amount .. ' was spent without a stored file.', it, at)
  end
end

-- Counts a clip's move: `it` is `BatchMove` in advance.ts. Returns why, where that pauses the batch.
local function batch_counts(batch, keys, it, at)
  if it.loose ~= 0 then redis.call('HINCRBY', batch, 'loose', it.loose) end
  if it.from == it.to then return end
  redis.call('HINCRBY', batch, 'n:' .. it.from, -1)
  redis.call('HINCRBY', batch, 'n:' .. it.to, 1)
  redis.call('HSET', batch, 'updatedAt', at)
  if it.isOver and not it.wasOver then
    redis.call('HINCRBY', batch, 'open', -1)
    redis.call('HINCRBY', batch, 'looks', it.looks)
    redis.call('HINCRBY', batch, 'retries', it.setbacks)
    if it.skipped then redis.call('HINCRBY', batch, 'skipped', 1) end
    redis.call('ZADD', keys.news, 0, it.id .. ' ' .. it.number)
  elseif it.wasOver and not it.isOver then
    redis.call('HINCRBY', batch, 'open', 1)
    redis.call('SADD', keys.open, it.id)
    -- A person's retry takes a batch up again that was over.
    if redis.call('HGET', batch, 'endedAt') then
      redis.call('HSET', batch, 'state', 'running')
      redis.call('HDEL', batch, 'endedAt', 'reason', 'why', 'since', 'streak', 'streakClass', 'barren')
    end
  end
  if it.to == 'downloading' then
    -- A render that is done breaks a row of failed ones: what fails is known at once, and what is stored much later.
    local class = redis.call('HGET', batch, 'streakClass')
    if class and class ~= 'lost_to_expiry' and class ~= 'unusable_file' then
      redis.call('HSET', batch, 'streak', 0)
      redis.call('HDEL', batch, 'streakClass')
    end
  end
  if it.to == 'stored' then
    redis.call('HSET', batch, 'streak', 0, 'barren', 0)
    redis.call('HDEL', batch, 'streakClass')
    return
  end
  if it.paid > 0 then redis.call('HINCRBY', batch, 'barren', it.paid) end
  if it.class then
    if redis.call('HGET', batch, 'streakClass') == it.class then redis.call('HINCRBY', batch, 'streak', 1)
    else redis.call('HSET', batch, 'streak', 1, 'streakClass', it.class) end
  end
  if it.class or it.paid > 0 then return stop_loss(batch, keys.events, it, at) end
end
