-- A clip's own video was cancelled, because another batch has the same rendered: it uses that one's.
-- KEYS 1 batch  2 its clips  3 shared clips   ARGV 1 number  2 the clip as it was  3 as it will be  4 that video  5 now, ms
-- Returns 1, or 0 where the clip is not what it was.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
redis.call('HINCRBY', KEYS[1], 'n:cancelled', -1)
redis.call('HINCRBY', KEYS[1], 'sharedOpen', 1)
redis.call('HSET', KEYS[1], 'updatedAt', ARGV[5])
return 1
