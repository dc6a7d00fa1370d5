-- Appends one change to a site: all of it happens, or nothing.
--
-- KEYS[1]  the log (stream)
-- KEYS[2]  the receipt of this request (hash: digest, cursor, answer)
-- KEYS[3]  what was withdrawn (hash: '<slug>' or '<slug>/<update>' -> cursor of the withdrawal)
-- KEYS[4]  the audit trail (stream)
-- KEYS[5+] what the guards and writes refer to, by position
-- ARGV[1]  pub/sub channel
-- ARGV[2]  entries to keep in the log
-- ARGV[3]  milliseconds for which the receipt is kept
-- ARGV[4]  digest of the request
-- ARGV[5]  answer to keep in the receipt
-- ARGV[6]  the event as JSON, or '' when readers have nothing to learn from this change
-- ARGV[7]  slug of the story whose text the event carries, or ''
-- ARGV[8]  ID of the update whose text the event carries, or ''
-- ARGV[9]  what the event withdraws, as in KEYS[3], or ''
-- ARGV[10] guards, JSON: [[position, field, version], ...]; version 0 means 'is not there'
-- ARGV[11] writes, JSON: [[command, position, argument, ...], ...]
-- ARGV[12] the audit record, JSON
-- ARGV[13] pub/sub channel of the desks
-- ARGV[14] 'PUBLISH', or on a cluster 'SPUBLISH': the channels have the keys' hash tag
-- ARGV[15] the traceparent of the request, or ''
--
-- Returns {'done', cursor}, {'repeated', cursor, answer}, {'reused'} (same key, other request),
-- or {'stale', number of the guard that failed (from 1), version found}.

local log, receipt = KEYS[1], KEYS[2]

local known = redis.call('HMGET', receipt, 'digest', 'cursor', 'answer')
if known[1] then
  if known[1] ~= ARGV[4] then
    return {'reused'}
  end
  -- A write, so that a caller who now waits for the disk waits for the first answer's data too.
  redis.call('PEXPIRE', receipt, ARGV[3])
  return {'repeated', known[2], known[3]}
end

for number, guard in ipairs(cjson.decode(ARGV[10])) do
  local record = redis.call('HGET', KEYS[guard[1]], guard[2])
  local version = record and cjson.decode(record).version or 0
  if version ~= guard[3] then
    return {'stale', number, tostring(version)}
  end
end

for _, write in ipairs(cjson.decode(ARGV[11])) do
  redis.call(write[1], KEYS[write[2]], unpack(write, 3))
end

local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local cursor = last and last[1] or '0-0'
if ARGV[6] ~= '' then
  local before = cursor
  cursor = redis.call('XADD', log, 'MAXLEN', '~', ARGV[2], '*', 'event', ARGV[6], 'story', ARGV[7], 'update', ARGV[8])
  if ARGV[9] ~= '' then
    redis.call('HSET', KEYS[3], ARGV[9], cursor)
  end
  local trace = ARGV[15] ~= '' and ',"trace":' .. cjson.encode(ARGV[15]) or ''
  local place = '{"id":"' .. cursor .. '","prev":"' .. before .. '"'
  redis.call(ARGV[14], ARGV[1], place .. trace .. ',"event":' .. ARGV[6] .. '}')
end

redis.call('XADD', KEYS[4], '*', 'record', ARGV[12])
redis.call(ARGV[14], ARGV[13], ARGV[12])

redis.call('HSET', receipt, 'digest', ARGV[4], 'cursor', cursor, 'answer', ARGV[5])
redis.call('PEXPIRE', receipt, ARGV[3])
return {'done', cursor}
