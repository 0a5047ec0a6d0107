-- Writes the deliveries of a page of the event stream and moves the cursor past it, in one step.
-- KEYS 1 cursor  2 targets  3 counters  4 wakes, and for each delivery
--      delivery, order of its video at its target, the target's due, claims and pending, endpoint (due again where the
--      target is none)
-- ARGV 1 where the cursor must be, '' where this is no page  2 where it goes  3 now, ms  4 places of a target
--      5 number of payloads, the payloads, and for each delivery
--      id, target, number of its payload, fields as a JSON object of texts
-- Returns how many were written; those that were there before, and of closed endpoints, are left out | -1: the cursor
--         is elsewhere, nothing was written
if ARGV[1] ~= '' then
  if (redis.call('GET', KEYS[1]) or '0-0') ~= ARGV[1] then return -1 end
  redis.call('SET', KEYS[1], ARGV[2])
end
local now, payloads = ARGV[3], tonumber(ARGV[5])
local written = 0
for number = 1, (#KEYS - 4) / 6 do
  local key, arg = 4 + (number - 1) * 6, 5 + payloads + (number - 1) * 4
  local delivery, order, pending, id = KEYS[key + 1], KEYS[key + 2], KEYS[key + 5], ARGV[arg + 1]
  local target = { due = KEYS[key + 3], claims = KEYS[key + 4], places = tonumber(ARGV[4]) }
  if KEYS[key + 6] ~= target.due then target.endpoint = KEYS[key + 6] end
  if is_open(target) and redis.call('EXISTS', delivery) == 0 then
    redis.call('HSET', delivery, 'target', ARGV[arg + 2], 'status', 'pending', 'tried', 0, 'createdAt', now,
      'payload', ARGV[5 + tonumber(ARGV[arg + 3])])
    for name, text in pairs(cjson.decode(ARGV[arg + 4])) do redis.call('HSET', delivery, name, text) end
    redis.call('ZADD', pending, 0, id)
    redis.call('HINCRBY', KEYS[3], 'webhook pending', 1)
    if redis.call('RPUSH', order, id) == 1 then redis.call('ZADD', target.due, now, id) end
    schedule(KEYS[2], ARGV[arg + 2], target)
    written = written + 1
  end
end
if ARGV[1] == '' then redis.call('XADD', KEYS[4], 'MAXLEN', 1, '*', 'at', now) end
return written
