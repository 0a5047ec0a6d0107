-- Makes videos durable, all of them or none: record, indexes, due time, first event and memory of each.
-- KEYS 1 all videos  2 due  3 events  4 projects, and for each video
--      record, index of its project's queued videos, those that wait in its lane, memory of its request (the record
--      again where there is none)
-- ARGV 1 now, ms  2 longest length of the event stream  3 how long memories of requests without a key are kept, ms
--      4 the same of those with one, and for each video
--      id, record with its head, due at in ms, project, fingerprint of the request, and which memory: 'key', of an
--      idempotency key  'first', of what was asked without one  'again', the same, and the client says that it repeats
--      itself  '', none
-- Returns {'done', then for each video the id under which it is known, which is another's where it was asked before}
--         | {'conflict', then of each that is in the way: its number, the fingerprint and the id that its key is known by}
--         | {'exists', number}: an id was used before, for something else; nothing was written in either case
local count = (#ARGV - 4) / 6
local known, conflicts, new_records = {}, {}, {}
for number = 1, count do
  local key, arg = 4 + (number - 1) * 4, 4 + (number - 1) * 6
  local memory = ARGV[arg + 6]
  if memory == 'key' then
    local first = redis.call('GET', KEYS[key + 4])
    if first then
      local fingerprint, id = string.match(first, '^(%S+) (%S+)$')
      known[number] = id
      if fingerprint ~= ARGV[arg + 5] then
        for _, word in ipairs({ number, fingerprint, id }) do conflicts[#conflicts + 1] = word end
      end
    end
  elseif memory == 'again' then
    known[number] = repeat_of(KEYS[key + 4], KEYS[key + 1], ARGV[arg + 1])
  end
  if not known[number] then new_records[#new_records + 1] = KEYS[key + 1] end
end
-- Thousands may come at once, and all others wait for this script: what is alike is asked and written together.
local function in_parts(list, call)
  for from = 1, #list, 2000 do call(unpack(list, from, math.min(from + 1999, #list))) end
end
-- A connection that broke before the answer came makes the client send this script again.
local function is_same(stored, wanted)
  for _, fact in ipairs({ '"project":"[^"]*"', '"createdAt":%d+' }) do
    if string.match(stored, fact) ~= string.match(wanted, fact) then return false end
  end
  return true
end
local existing = 0
in_parts(new_records, function(...) existing = existing + redis.call('EXISTS', ...) end)
if existing > 0 then
  for number = 1, count do
    local stored = not known[number] and redis.call('GET', KEYS[4 + (number - 1) * 4 + 1])
    local arg = 4 + (number - 1) * 6
    if stored and not is_same(stored, ARGV[arg + 2]) then return { 'exists', number } end
    if stored then known[number] = ARGV[arg + 1] end
  end
end
if #conflicts > 0 then return { 'conflict', unpack(conflicts, 1, math.min(#conflicts, 3000)) } end
local records, indexes, projects = {}, {}, {}
local function index(key, score, id)
  local list = indexes[key]
  if not list then
    list = {}
    indexes[key] = list
  end
  list[#list + 1] = score
  list[#list + 1] = id
end
local reply = { 'done' }
for number = 1, count do
  local key, arg = 4 + (number - 1) * 4, 4 + (number - 1) * 6
  local id, project, memory = ARGV[arg + 1], ARGV[arg + 4], ARGV[arg + 6]
  if not known[number] then
    records[#records + 1] = KEYS[key + 1]
    records[#records + 1] = ARGV[arg + 2]
    index(KEYS[1], 0, id)
    index(KEYS[key + 2], 0, id)
    index(KEYS[2], ARGV[arg + 3], id)
    index(KEYS[key + 3], 0, id)
    if not projects[project] then
      projects[project] = true
      redis.call('SADD', KEYS[4], project)
    end
    if memory == 'key' then redis.call('SET', KEYS[key + 4], ARGV[arg + 5] .. ' ' .. id, 'PX', ARGV[4])
    elseif memory ~= '' then remember(KEYS[key + 4], id, ARGV[1], ARGV[3]) end
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*',
      'project', project, 'video', id, 'version', 1, 'status', 'queued', 'at', ARGV[1])
  end
  reply[number + 1] = known[number] or id
end
in_parts(records, function(...) redis.call('MSET', ...) end)
for key, list in pairs(indexes) do
  in_parts(list, function(...) redis.call('ZADD', key, ...) end)
end
return reply
