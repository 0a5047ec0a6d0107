-- Changes a webhook endpoint that is still there. One that is enabled again hears of what happens from now on.
-- KEYS 1 endpoint  2 events  3 targets
-- ARGV 1 id  2 now, ms  3 longest length of the event stream  4 '1' to enable it, '0' to disable it, '' for neither
--      5, 6 field and text, ...
-- Returns 1 | 0: there is no such endpoint
local enabled = redis.call('HGET', KEYS[1], 'enabled')
if not enabled then return 0 end
if #ARGV > 4 then redis.call('HSET', KEYS[1], unpack(ARGV, 5)) end
if ARGV[4] == '1' and enabled == '0' then
  redis.call('HSET', KEYS[1], 'enabled', '1', 'after', last_event(KEYS[2]))
  redis.call('HDEL', KEYS[1], 'disabledReason', 'disabledAt', 'failingSince', 'failedAt', 'failures')
elseif ARGV[4] == '0' and enabled == '1' then
  disable(KEYS[1], ARGV[1], 'asked', ARGV[2], KEYS[2], ARGV[3])
  redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
end
return 1
