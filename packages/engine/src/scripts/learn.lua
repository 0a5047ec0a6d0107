-- Adds what a finished render taught to the sketch of its lane and length; a full sketch becomes the one before.
-- KEYS 1 the sketch, a HASH of sums  2 the full one before it   ARGV 1 renders in a full one  2, 3 field and sum, ...
if tonumber(redis.call('HGET', KEYS[1], 'n') or '0') >= tonumber(ARGV[1]) then redis.call('RENAME', KEYS[1], KEYS[2]) end
for index = 2, #ARGV, 2 do redis.call('HINCRBYFLOAT', KEYS[1], ARGV[index], ARGV[index + 1]) end
-- A model that nobody renders any more is forgotten.
redis.call('PEXPIRE', KEYS[1], 90 * 24 * 3600 * 1000)
redis.call('PEXPIRE', KEYS[2], 90 * 24 * 3600 * 1000)
return 1
