-- Sends a delivery at once: again where it has ended, and where it waits, together with what it waits for.
-- KEYS 1 delivery  2 targets  3 due  4 claims  5 order  6 pending  7 log of the status it must have  8 endpoint
--      9 wakes  10 counters
-- ARGV 1 id  2 target  3 now, ms  4 places  5 status it must have
-- Returns 'done' | 'changed': its status is another one | 'closed': nothing is sent to its endpoint
local id, now = ARGV[1], ARGV[3]
local target = { due = KEYS[3], claims = KEYS[4], places = tonumber(ARGV[4]), endpoint = KEYS[8] }
if redis.call('HGET', KEYS[1], 'status') ~= ARGV[5] then return 'changed' end
if not is_open(target) then return 'closed' end
if ARGV[5] == 'pending' then
  for _, one in ipairs({ redis.call('LINDEX', KEYS[5], 0) or id, id }) do
    redis.call('ZADD', target.due, 'XX', now, one)
  end
else
  redis.call('HSET', KEYS[1], 'status', 'pending')
  redis.call('HDEL', KEYS[1], 'firstTryAt', 'endedAt')
  redis.call('PERSIST', KEYS[1])
  redis.call('ZREM', KEYS[7], id)
  redis.call('ZADD', KEYS[6], 0, id)
  redis.call('ZADD', target.due, now, id)
  redis.call('HINCRBY', KEYS[10], 'webhook pending', 1)
end
schedule(KEYS[2], ARGV[2], target)
redis.call('XADD', KEYS[9], 'MAXLEN', 1, '*', 'at', now)
return 'done'
