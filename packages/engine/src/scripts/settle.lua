-- Writes what became of a try: the delivery, its turn among those of its video, and how its endpoint fares.
-- KEYS 1 delivery  2 targets  3 due  4 claims  5 order  6 pending  7 log of the status it enters  8 endpoint (due again
--      where the target is none)  9 events  10 counters
-- ARGV 1 the settlement as JSON: `Settlement` in webhooks/deliveries.ts says what is in it  2 its tries as JSON
-- Returns {'settled', why its endpoint was disabled by it or ''} | {'changed'}: somebody else settled it
--         | {'missing'}: it was deleted
local it = cjson.decode(ARGV[1])
local target = { due = KEYS[3], claims = KEYS[4], places = it.places }
if KEYS[8] ~= KEYS[3] then target.endpoint = KEYS[8] end
local state = redis.call('HMGET', KEYS[1], 'status', 'tried')
if not state[1] then
  redis.call('ZREM', target.due, it.id)
  redis.call('ZREM', target.claims, it.id)
  schedule(KEYS[2], it.target, target)
  return { 'missing' }
end
if state[1] ~= 'pending' then
  redis.call('ZREM', target.due, it.id)
  redis.call('ZREM', target.claims, it.id)
  schedule(KEYS[2], it.target, target)
  return { 'changed' }
end
-- Whoever was answered with 2xx is right, however late.
if tonumber(state[2]) ~= it.tried and it.status ~= 'delivered' then return { 'changed' } end
redis.call('ZREM', target.claims, it.id)
redis.call('HINCRBY', KEYS[1], 'tried', 1)
redis.call('HSET', KEYS[1], 'tries', ARGV[2])
if it.firstTryAt then redis.call('HSET', KEYS[1], 'firstTryAt', it.firstTryAt) end
if it.status == 'pending' then
  redis.call('ZADD', target.due, it.nextAt, it.id)
else
  redis.call('ZREM', target.due, it.id)
  redis.call('ZREM', KEYS[6], it.id)
  if target.endpoint and redis.call('EXISTS', target.endpoint) == 0 then
    redis.call('DEL', KEYS[1])
  else
    redis.call('HSET', KEYS[1], 'status', it.status, 'endedAt', it.at)
    redis.call('PEXPIRE', KEYS[1], it.keepMs)
    redis.call('ZADD', KEYS[7], 0, it.id)
    redis.call('ZREMRANGEBYLEX', KEYS[7], '-', '(' .. it.oldest)
    redis.call('PEXPIRE', KEYS[7], it.keepMs)
  end
  redis.call('HINCRBY', KEYS[10], 'webhook pending', -1)
  redis.call('HINCRBY', KEYS[10], 'webhook ' .. it.status, 1)
  if redis.call('LINDEX', KEYS[5], 0) == it.id then
    redis.call('LPOP', KEYS[5])
    local next = redis.call('LINDEX', KEYS[5], 0)
    if next then redis.call('ZADD', target.due, it.at, next) end
  end
end
local disabled = ''
-- What an address said that the endpoint no longer has says nothing of it.
if it.health and target.endpoint and redis.call('HGET', target.endpoint, 'url') == it.url then
  local endpoint = target.endpoint
  if it.health == 'well' then
    redis.call('HDEL', endpoint, 'failingSince', 'failedAt', 'failures')
  else
    local last = tonumber(redis.call('HGET', endpoint, 'failedAt'))
    if not last or it.at - last > it.longestGapMs then
      redis.call('HSET', endpoint, 'failingSince', it.at, 'failures', 0)
    end
    redis.call('HSET', endpoint, 'failedAt', it.at)
    local failures = redis.call('HINCRBY', endpoint, 'failures', 1)
    local long = it.at - tonumber(redis.call('HGET', endpoint, 'failingSince')) >= it.failingMs
    if it.health == 'gone' then disabled = 'gone'
    elseif long and failures >= it.fewestFailures then disabled = 'failing' end
    if redis.call('HGET', endpoint, 'enabled') ~= '1' then disabled = '' end
    if disabled ~= '' then disable(endpoint, it.target, disabled, it.at, KEYS[9], it.events) end
  end
end
schedule(KEYS[2], it.target, target)
return { 'settled', disabled }
