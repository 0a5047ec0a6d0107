-- Leave to send one POST: of the breaker, of the lane and of its account. Nothing is written unless it is given.
-- The tasks at once that refusals taught, of a lane or of its account, a HASH: cap, a fraction; lowered_at, ms; and of a
-- lane throttles, how often it was throttled in a row; throttled_at, ms, when last.
local function learned_places(key)
  local cap = tonumber(redis.call('HGET', key, 'cap') or '')
  return cap and math.max(1, math.floor(cap + 0.5)) or nil
end

-- Ms until the next leave, or nothing.
local function rate_refuses(key, rate, window)
  if rate == 0 then return nil end
  local now = now_ms()
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  if redis.call('ZCARD', key) < rate then return nil end
  local oldest = redis.call('ZRANGE', key, -rate, -rate, 'WITHSCORES')
  return math.max(1, oldest[2] + window - now)
end

-- `count`: says how many are taken.
local function no_place(count, keys, configured, cap_key, whose)
  local places, learned = configured, learned_places(cap_key)
  local is_learned = learned and (places == 0 or learned < places)
  if is_learned then places = learned end
  if places == 0 then return nil end
  local taken = count(keys)
  if taken >= places then return { 'full', taken, places, whose, is_learned and 'learned' or '' } end
  return nil
end

local function no_request(key, allowed, window, whose)
  local wait_ms = rate_refuses(key, allowed, window)
  return wait_ms and { 'rate', wait_ms, allowed, whose } or nil
end

-- `Obstacle` in obstacle.ts says what each answer means, and `obstacleOf` there is the same without asking for leave.
-- Returns it, else nothing and whether the breaker is half-open.
local function leave_refused(keys, leave, window)
  local is_open, open_ms, why, tried = breaker_refuses(keys.breaker)
  if open_ms then return { 'breaker', math.ceil(open_ms), why, tried } end
  local rest = redis.call('PTTL', keys.rest)
  if rest > 0 then return { 'resting', rest, redis.call('GET', keys.rest) or '' } end
  local refused = no_place(taken_in_lane, keys, leave.lane.inFlight, keys.cap, 'lane')
    or no_place(taken_in_account, keys, leave.account.inFlight, keys.account_cap, 'account')
    or no_request(keys.lane_sent, leave.lane.perMinute, window, 'lane')
    or no_request(keys.account_sent, leave.account.perMinute, window, 'account')
  return refused, is_open
end

local function leave_given(keys, leave, window, name)
  for _, sent in ipairs({ { keys.lane_sent, leave.lane }, { keys.account_sent, leave.account } }) do
    if sent[2].perMinute > 0 then
      redis.call('ZADD', sent[1], now_ms(), name)
      redis.call('PEXPIRE', sent[1], window)
    end
  end
end

-- "Too many running tasks": what runs is all that may. Multiplicative decrease, once for those that were sent together.
local function lower_cap(key, taken, sent_at, now)
  local known = redis.call('HMGET', key, 'cap', 'lowered_at')
  local cap = math.min(tonumber(known[1] or '') or math.huge, math.max(1, taken))
  if sent_at > tonumber(known[2] or '0') then
    cap = math.max(1, cap * 0.95)
    redis.call('HSET', key, 'lowered_at', now)
  end
  redis.call('HSET', key, 'cap', tostring(cap))
  redis.call('PEXPIRE', key, 24 * 3600 * 1000)
end

-- A task was accepted in a lane that was as full as had been learned: additive increase, one place for ten of them.
-- `count`: says how many are taken; most lanes were never refused.
local function raise_cap(key, count, keys)
  local known = redis.call('HMGET', key, 'cap', 'throttles')
  local cap = tonumber(known[1] or '')
  if cap and count(keys) >= math.floor(cap + 0.5) then redis.call('HSET', key, 'cap', tostring(cap + 0.1)) end
  if known[2] then redis.call('HDEL', key, 'throttles') end
end

-- Rests the lane: as long as the server said, else twice as long each time in a row; never shorter than it rests already.
local function rest_lane(keys, rest, at)
  local ms = rest.ms
  if not rest.said then
    local known = redis.call('HMGET', keys.cap, 'throttles', 'throttled_at')
    local times = tonumber(known[1] or '0')
    -- Those that were sent before the last one was heard belong to it.
    if times == 0 or rest.sentAt > tonumber(known[2] or '0') then
      times = times + 1
      redis.call('HSET', keys.cap, 'throttles', times, 'throttled_at', at)
      redis.call('PEXPIRE', keys.cap, 24 * 3600 * 1000)
    end
    ms = ms * 2 ^ math.min(times - 1, 4)
  end
  if ms > redis.call('PTTL', keys.rest) then redis.call('SET', keys.rest, rest.reason, 'PX', math.ceil(ms)) end
end
