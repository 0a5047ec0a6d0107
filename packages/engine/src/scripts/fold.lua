-- Adds the oldest postings of the journal to the opening balances, and takes them out of the journal: what journal and
-- opening say together stays the same.
-- KEYS 1 journal  2 opening   ARGV 1 how many at the most
-- Returns how many.
local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])
for _, entry in ipairs(entries) do
  local it, list = {}, entry[2]
  for at = 1, #list, 2 do it[list[at]] = list[at + 1] end
  -- `scopesOf` in money.ts.
  local scopes = {
    'project ' .. it.project, 'project ' .. it.project .. ' ' .. it.day,
    'upstream ' .. it.upstream, 'upstream ' .. it.upstream .. ' ' .. it.day, 'all', 'all ' .. it.day,
  }
  if it.batch ~= '' then scopes[#scopes + 1] = 'batch ' .. it.batch end
  for _, scope in ipairs(scopes) do
    if it.from ~= 'none' then redis.call('HINCRBY', KEYS[2], scope .. ' ' .. it.from, '-' .. it.micros) end
    if it.to ~= 'none' then redis.call('HINCRBY', KEYS[2], scope .. ' ' .. it.to, it.micros) end
  end
  redis.call('XDEL', KEYS[1], entry[1])
end
return #entries
