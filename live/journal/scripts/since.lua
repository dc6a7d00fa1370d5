-- The entries after a cursor, oldest first.
--
-- KEYS[1] the log (stream)
-- KEYS[2] the set of what was withdrawn: '<slug>' of a story, '<slug>/<update>' of an update
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

local entries = {}
for _, item in ipairs(redis.call('XRANGE', log, '(' .. after, '+', 'COUNT', ARGV[2])) do
  local fields = item[2]
  local event, story, update = fields[2], fields[4], fields[6]
  local withdrawn = story ~= '' and redis.call('SISMEMBER', KEYS[2], story) == 1
    or update ~= '' and redis.call('SISMEMBER', KEYS[2], story .. '/' .. update) == 1
  entries[#entries + 1] = {item[1], withdrawn and '' or event}
end
return {'entries', entries}
