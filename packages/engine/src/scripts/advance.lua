-- Moves a video on by compare-and-set: record, status index, due time, alarm, lane, task owner and event together.
-- KEYS 1 record  2 index of the status it leaves  3 index of the status it enters  4 due  5 events
--      6 the lane's videos in flight  7 why the lane rests  8 owner of the task (used only if ARGV 13 is 'own')
--      9 alarms  10 the lane's leaves of the last minute  11 counters  12 the upstream's latest tasks
-- ARGV 1 id  2 version it must have  3 version it gets  4 status it enters  5 record as JSON
--      6 due at, ms, or '' if final  7 longest length of the event stream  8 'event' or ''  9 now, ms
--      10 lane: 'ask' for leave | 'keep' | 'free'  11 places in the lane, 0 for no limit
--      12 rest the lane for so many ms, 0 for not at all  13 'own' or ''  14 why the lane rests, one sentence
--      15 alarm at, ms | 'keep' | '' for none  16 leaves in a minute, 0 for no limit
--      17 the counter to raise, or ''  18 the task's id at the upstream, or ''
-- Returns {'moved', event id or ''} | {'changed'}: another version | {'missing'} | {'full', in flight}
--         | {'rate', ms until the next leave}
--         | {'resting', ms left, why} | {'owned', id}: another video owns the task.
local head = redis.call('GETRANGE', KEYS[1], 0, 15)
if head == '' then return { 'missing' } end
if string.match(head, '^(%d+) ') ~= ARGV[2] then return { 'changed' } end
if ARGV[10] == 'ask' then
  local rest = redis.call('PTTL', KEYS[7])
  if rest > 0 then return { 'resting', rest, redis.call('GET', KEYS[7]) or '' } end
  local places = tonumber(ARGV[11])
  local taken = redis.call('ZCARD', KEYS[6])
  if places > 0 and taken >= places then return { 'full', taken } end
  local rate = tonumber(ARGV[16])
  if rate > 0 then
    -- Redis's clock, because workers' differ. What is given leave is sent a little later: the window is longer
    -- than a minute, so that the upstream never sees one too many in one of its own.
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local window = 62000
    redis.call('ZREMRANGEBYSCORE', KEYS[10], '-inf', now - window)
    if redis.call('ZCARD', KEYS[10]) >= rate then
      local oldest = redis.call('ZRANGE', KEYS[10], 0, 0, 'WITHSCORES')
      return { 'rate', math.max(1, oldest[2] + window - now) }
    end
    redis.call('ZADD', KEYS[10], now, ARGV[1] .. ' ' .. ARGV[2])
    redis.call('PEXPIRE', KEYS[10], window)
  end
end
if ARGV[13] == 'own' then
  local owner = redis.call('GET', KEYS[8])
  if owner and owner ~= ARGV[1] then return { 'owned', owner } end
  redis.call('SET', KEYS[8], ARGV[1])
  redis.call('ZADD', KEYS[12], ARGV[9], ARGV[18])
  redis.call('ZREMRANGEBYRANK', KEYS[12], 0, -51)
end
if ARGV[10] == 'ask' then redis.call('ZADD', KEYS[6], ARGV[9], ARGV[1]) end
if ARGV[10] == 'free' then redis.call('ZREM', KEYS[6], ARGV[1]) end
if tonumber(ARGV[12]) > 0 then redis.call('SET', KEYS[7], ARGV[14], 'PX', ARGV[12]) end
redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
if KEYS[2] ~= KEYS[3] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZADD', KEYS[3], 0, ARGV[1])
end
if ARGV[6] == '' then redis.call('ZREM', KEYS[4], ARGV[1]) else redis.call('ZADD', KEYS[4], ARGV[6], ARGV[1]) end
if ARGV[15] == '' then redis.call('ZREM', KEYS[9], ARGV[1])
elseif ARGV[15] ~= 'keep' then redis.call('ZADD', KEYS[9], ARGV[15], ARGV[1]) end
if ARGV[17] ~= '' then redis.call('HINCRBY', KEYS[11], ARGV[17], 1) end
if ARGV[8] == '' then return { 'moved', '' } end
local event = redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[7], '*',
  'video', ARGV[1], 'version', ARGV[3], 'status', ARGV[4], 'at', ARGV[9])
return { 'moved', event }
