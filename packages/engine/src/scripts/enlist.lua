-- Makes clips of a batch durable, in the manifest's order, all of these or none: an own video each, or the place of one
-- that is stored or on its way already.
-- KEYS 1 batch  2 clips  3 lines  4 all videos  5 queued videos of the project  6 due  7 events  8 projects  9 renders
--      10 pools of the batch  11 shared clips, and for each clip
--      its video's record, the pool that it waits in, those that remix its source (or the record again), the record
--      of the video that was known for its render key (or its own again)
-- ARGV 1 now, ms  2 longest length of the event stream  3 project  4 number of the first clip  5 due time of what waits
--      6 micro-USD that all of these will cost, and for each clip
--      'new' | 'reused' | 'shared', the clip as JSON, video id, record with its head or '', turn in its pool, pool's name,
--      render key, custom id of its line where it is the first take or '', the video that was known for its render key
--      ('' none; '*': it does not matter), the version that this one must still have where it is taken over
-- Returns the highest number that was accepted; nothing is written unless the first clip is the next one. -1: another
--      video is known by now for one of the render keys; nothing was written.
local first = tonumber(ARGV[4])
local enlisted = tonumber(redis.call('HGET', KEYS[1], 'enlisted') or '0')
if enlisted ~= first - 1 or redis.call('HGET', KEYS[1], 'state') ~= 'validating' then return enlisted end
local width, fixed_args, fixed_keys = 10, 6, 11
local count = (#ARGV - fixed_args) / width
for at = 1, count do
  local arg = fixed_args + (at - 1) * width
  if ARGV[arg + 1] == 'new' and ARGV[arg + 9] ~= '*' then
    if (redis.call('HGET', KEYS[9], ARGV[arg + 7]) or '') ~= ARGV[arg + 9] then return -1 end
    local head = redis.call('GETRANGE', KEYS[fixed_keys + at * 4], 0, 15)
    if ARGV[arg + 10] ~= '' and string.match(head, '^(%d+) ') ~= ARGV[arg + 10] then return -1 end
  end
end
local records, videos, due, clips, lines, renders, fresh, reused, shared = {}, {}, {}, {}, {}, {}, 0, 0, 0
for at = 1, count do
  local arg, key = fixed_args + (at - 1) * width, fixed_keys + (at - 1) * 4
  local origin, id, number = ARGV[arg + 1], ARGV[arg + 3], first + at - 1
  clips[#clips + 1], clips[#clips + 2] = number, ARGV[arg + 2]
  if ARGV[arg + 8] ~= '' then lines[#lines + 1], lines[#lines + 2] = ARGV[arg + 8], number end
  if origin == 'new' then
    fresh = fresh + 1
    records[#records + 1], records[#records + 2] = KEYS[key + 1], ARGV[arg + 4]
    videos[#videos + 1], videos[#videos + 2] = 0, id
    due[#due + 1], due[#due + 2] = ARGV[5], id
    renders[#renders + 1], renders[#renders + 2] = ARGV[arg + 7], id
    redis.call('ZADD', KEYS[key + 2], ARGV[arg + 5], id)
    redis.call('SADD', KEYS[10], ARGV[arg + 6])
    if KEYS[key + 3] ~= KEYS[key + 1] then redis.call('SADD', KEYS[key + 3], id) end
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[2], '*',
      'project', ARGV[3], 'video', id, 'version', 1, 'status', 'queued', 'at', ARGV[1])
  elseif origin == 'shared' then
    shared = shared + 1
    redis.call('HSET', KEYS[11], number, id)
  else
    reused = reused + 1
  end
end
redis.call('HSET', KEYS[2], unpack(clips))
if #lines > 0 then redis.call('HSET', KEYS[3], unpack(lines)) end
if fresh > 0 then
  redis.call('MSET', unpack(records))
  redis.call('ZADD', KEYS[4], unpack(videos))
  redis.call('ZADD', KEYS[5], unpack(videos))
  redis.call('ZADD', KEYS[6], unpack(due))
  redis.call('HSET', KEYS[9], unpack(renders))
  redis.call('SADD', KEYS[8], ARGV[3])
end
redis.call('HINCRBY', KEYS[1], 'n:queued', fresh)
redis.call('HINCRBY', KEYS[1], 'open', fresh)
redis.call('HINCRBY', KEYS[1], 'reused', reused)
redis.call('HINCRBY', KEYS[1], 'sharedOpen', shared)
redis.call('HINCRBY', KEYS[1], 'estimated', ARGV[6])
redis.call('HINCRBY', KEYS[1], 'total', count)
redis.call('HSET', KEYS[1], 'enlisted', first + count - 1, 'updatedAt', ARGV[1])
return first + count - 1
