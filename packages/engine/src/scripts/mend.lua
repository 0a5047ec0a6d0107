-- Puts one index right by what the record says, if the record still is what was looked at.
-- KEYS 1 record  2 index   ARGV 1 what stands for the video there  2 version it must have  3 score, or '' to take it out
-- Returns 1 if the index was changed, 0 if the record moved on or the index was right.
if string.match(redis.call('GETRANGE', KEYS[1], 0, 15), '^(%d+) ') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then return redis.call('ZREM', KEYS[2], ARGV[1]) end
return redis.call('ZADD', KEYS[2], 'NX', ARGV[3], ARGV[1])
