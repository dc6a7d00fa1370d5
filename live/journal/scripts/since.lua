-- The entries after a cursor, oldest first.
--
-- KEYS[1] the log (stream)
-- KEYS[2] what was withdrawn (hash: '<slug>' of a story, '<slug>/<update>' of an update -> cursor of the withdrawal)
-- ARGV[1] the cursor; '0-0' is before the first entry
-- ARGV[2] at most so many entries
--
-- Returns {'entries', {{cursor, event}, ...}}; event is '' where its text was withdrawn since.
-- Returns {'lost', cursor of the last entry} when entries after the cursor are no longer in the log,
-- or the cursor was never in it: a trimmed log, a failover that lost its tail, an emptied server.

local log, after = KEYS[1], ARGV[1]

local function complete()
  if after ~= '0-0' then
    return #redis.call('XRANGE', log, after, after) == 1
  end
  if redis.call('EXISTS', log) == 0 then
    return true
  end
  local facts = redis.call('XINFO', 'STREAM', log)
  local length, added
  for i = 1, #facts, 2 do
    if facts[i] == 'length' then length = facts[i + 1] end
    if facts[i] == 'entries-added' then added = facts[i + 1] end
  end
  return length == added or length == 0
end

if not complete() then
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  return {'lost', last and last[1] or '0-0'}
end

-- Whether one cursor is before another.
local function before(one, other)
  local millis, sequence = one:match('(%d+)-(%d+)')
  local other_millis, other_sequence = other:match('(%d+)-(%d+)')
  if millis ~= other_millis then
    return tonumber(millis) < tonumber(other_millis)
  end
  return tonumber(sequence) < tonumber(other_sequence)
end

local function withdrawn(cursor, what)
  local since = redis.call('HGET', KEYS[2], what)
  return since and before(cursor, since)
end

local entries = {}
for _, item in ipairs(redis.call('XRANGE', log, '(' .. after, '+', 'COUNT', ARGV[2])) do
  local fields = item[2]
  local event, story, update = fields[2], fields[4], fields[6]
  local gone = story ~= '' and withdrawn(item[1], story)
    or update ~= '' and withdrawn(item[1], story .. '/' .. update)
  entries[#entries + 1] = {item[1], gone and '' or event}
end
return {'entries', entries}
