-- Tells once that a video is still where it is; the record is left alone.
-- KEYS 1 record  2 alarms  3 events  4 counters
-- ARGV 1 id  2 version it must have  3 status  4 which alarm  5 now, ms  6 longest length of the event stream  7 project
-- Returns the event id, or '' if the record moved on or the alarm was raised before.
if string.match(redis.call('GETRANGE', KEYS[1], 0, 15), '^(%d+) ') ~= ARGV[2] then return '' end
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then return '' end
redis.call('HINCRBY', KEYS[4], 'alarm ' .. ARGV[4], 1)
return redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*',
  'project', ARGV[7], 'video', ARGV[1], 'version', ARGV[2], 'status', ARGV[3], 'at', ARGV[5], 'alarm', ARGV[4])
