-- Puts a new video in the place of one that failed or was left out, in a batch's clip.
-- KEYS 1 batch  2 its clips  3 the new record  4 all videos  5 queued videos of the project  6 due  7 events
--      8 the pool that it waits in  9 pools of the batch  10 open batches  11 renders of the project
--      12 those that remix its source, or the record again  13 shared clips  14 clips that have ended
-- ARGV 1 number  2 the clip as it was  3 the clip as it will be  4 id  5 record with its head  6 due at  7 turn  8 pool's name
--      9 batch  10 project  11 now, ms  12 longest length of the event stream  13 micro-USD that it will cost
--      14 render key  15 the batch's field that counts the one before it  16 1 where that was left out for its source's sake
--      17 `batch number` of its source, or ''
-- Returns 1, or 0 where the clip is not what it was.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[15] == 'sharedOpen' and redis.call('HDEL', KEYS[13], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('SET', KEYS[3], ARGV[5])
redis.call('ZADD', KEYS[4], 0, ARGV[4])
redis.call('ZADD', KEYS[5], 0, ARGV[4])
redis.call('ZADD', KEYS[6], ARGV[6], ARGV[4])
redis.call('ZADD', KEYS[8], ARGV[7], ARGV[4])
redis.call('SADD', KEYS[9], ARGV[8])
-- Where somebody has the same rendered, or had, this one finds it when its batch would let it go.
local owner = redis.call('HGET', KEYS[11], ARGV[14])
local head = owner and redis.call('GETRANGE', string.sub(KEYS[3], 1, -#ARGV[4] - 1) .. owner, 0, 31) or ''
local status = string.match(head, '^%d+ (%S+)')
if not status or status == 'failed' or status == 'cancelled' then redis.call('HSET', KEYS[11], ARGV[14], ARGV[4]) end
if ARGV[17] ~= '' then
  redis.call('SADD', KEYS[12], ARGV[4])
  -- That may have ended already.
  redis.call('ZADD', KEYS[14], 0, ARGV[17])
end
-- The one before it is no longer one of its clips.
redis.call('HINCRBY', KEYS[1], ARGV[15], -1)
if ARGV[16] == '1' then redis.call('HINCRBY', KEYS[1], 'skipped', -1) end
redis.call('HINCRBY', KEYS[1], 'n:queued', 1)
redis.call('HINCRBY', KEYS[1], 'open', 1)
redis.call('HINCRBY', KEYS[1], 'estimated', ARGV[13])
redis.call('HSET', KEYS[1], 'updatedAt', ARGV[11])
if redis.call('HGET', KEYS[1], 'endedAt') then
  redis.call('HSET', KEYS[1], 'state', 'running')
  redis.call('HDEL', KEYS[1], 'endedAt', 'reason', 'why', 'since', 'streak', 'streakClass', 'barren')
end
redis.call('SADD', KEYS[10], ARGV[9])
redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[12], '*',
  'project', ARGV[10], 'video', ARGV[4], 'version', 1, 'status', 'queued', 'at', ARGV[11])
return 1
