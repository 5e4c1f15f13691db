"""What Redis does at once for connection slots: take, leave, tell it of what it forgot, keep quiet."""

# KEYS: 1 leases (until when), 2 queue (place), 3 waiting (last seen), 4 steps of the pace, 5 there while the account wants
# no call at all, 6 the epoch: which memory of Redis this is, and until when it may lack leases. Redis's own clock decides.
# A token begins with the milliseconds of its lease. `free` is how many more calls may go now, `grant` lets one go.
STATE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = redis.call('GET', KEYS[6])
local function free(full)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. (now - tonumber(ARGV[2])))) do
    redis.call('ZREM', KEYS[2], gone)
    redis.call('ZREM', KEYS[3], gone)
  end
  if redis.call('EXISTS', KEYS[5]) == 1 then return 0 end
  local most = tonumber(full)
  for count, ends in string.gmatch(redis.call('GET', KEYS[4]) or '', '(%d+):(%d+)') do
    if tonumber(ends) > now then
      most = math.min(most, tonumber(count))
      break
    end
  end
  if now < tonumber(string.match(epoch, '%d+$')) then most = math.min(most, tonumber(ARGV[3])) end
  return most - redis.call('ZCARD', KEYS[1])
end
local function grant(token)
  redis.call('ZREM', KEYS[2], token)
  redis.call('ZREM', KEYS[3], token)
  redis.call('ZADD', KEYS[1], now + tonumber(string.match(token, '^%d+')), token)
  redis.call('PEXPIRE', KEYS[1], 3600000)
  redis.call('PEXPIRE', KEYS[6], 86400000)
  return now
end
"""
# Redis forgot, or knows no lease of whoever asks with another epoch: those are told first.
KNOWN = "if epoch ~= ARGV[4] then return -1 end"
# ARGV: full count, absent ms, lonely count, epoch, token, waited ms, handicap ms. Gives the time of the grant, 0, or -1.
TAKE = (
    STATE
    + KNOWN
    + """
local token = ARGV[5]
if redis.call('ZSCORE', KEYS[1], token) then return now end
redis.call('ZADD', KEYS[2], now - tonumber(ARGV[6]) + tonumber(ARGV[7]), token)
redis.call('ZADD', KEYS[3], now, token)
if redis.call('ZRANK', KEYS[2], token) < free(ARGV[1]) then return grant(token) end
redis.call('PEXPIRE', KEYS[2], 60000)
redis.call('PEXPIRE', KEYS[3], 60000)
return 0
"""
)
# ARGV: full count, absent ms, lonely count, epoch, token. Takes the token out of everything and gives its slot to the next
# in the queue.
LEAVE = (
    STATE
    + KNOWN
    + """
redis.call('ZREM', KEYS[1], ARGV[5])
redis.call('ZREM', KEYS[2], ARGV[5])
redis.call('ZREM', KEYS[3], ARGV[5])
local count = free(ARGV[1])
if count <= 0 then return 0 end
local next_ones = redis.call('ZRANGE', KEYS[2], 0, count - 1)
for _, token in ipairs(next_ones) do
  local bell = KEYS[1] .. ':bell:' .. token
  redis.call('LPUSH', bell, string.format('%.0f', grant(token)))
  redis.call('PEXPIRE', bell, 2000)
end
return #next_ones
"""
)
# ARGV: settling ms, a name for a new epoch, then token and ms left of each lease that the process has. Gives the epoch. One
# that begins where there was another lets few calls go until every process had time to come and tell.
TELL = (
    STATE
    + """
if not epoch then
  epoch = ARGV[2] .. ':' .. string.format('%.0f', now + tonumber(ARGV[1]))
  redis.call('SET', KEYS[6], epoch, 'PX', 86400000)
end
for at = 3, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[at + 1]), ARGV[at])
end
redis.call('PEXPIRE', KEYS[1], 3600000)
return epoch
"""
)
# The longest wish for quiet counts. KEYS: 1 the wish; ARGV: ms.
QUIET = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
"""
