-- Does without a clip, once.
-- KEYS 1 batch  2 its clips   ARGV 1 number  2 the clip as it was  3 as it will be  4 how it ended  5 now, ms
--      6 1 where it was left out for its source's sake: it counts once
-- Returns 1, or 0 where the clip is not what it was.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[1], 'waived:' .. ARGV[4], 1)
if ARGV[6] == '1' then redis.call('HINCRBY', KEYS[1], 'skipped', -1) end
redis.call('HSET', KEYS[1], 'updatedAt', ARGV[5])
return 1
