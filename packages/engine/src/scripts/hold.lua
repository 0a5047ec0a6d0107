-- Puts a video's due time off while somebody works on it; the record is left alone.
-- KEYS 1 record  2 due   ARGV 1 id  2 version it must have  3 due at, ms
-- Returns 1 if it was put off, 0 if the record moved on, is gone, or was not due at all.
if string.match(redis.call('GETRANGE', KEYS[1], 0, 15), '^(%d+) ') ~= ARGV[2] then return 0 end
return redis.call('ZADD', KEYS[2], 'XX', 'CH', ARGV[3], ARGV[1])
