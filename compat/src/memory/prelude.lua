-- What scripts find in Redis: a `redis` table, no new globals, and errors as tables.
-- Returns the function that runs a script. `exhausted` tells that the instruction budget is spent.
local exhausted, sha1hex = ...
local current
local protected, raise, kind, set = pcall, error, type, rawset

local redis = {sha1hex = sha1hex}
function redis.call(...)
  local reply = current(...)
  if kind(reply) == 'table' and reply.err then
    raise(reply, 0)
  end
  return reply
end
function redis.pcall(...)
  return current(...)
end
function redis.status_reply(text)
  return {ok = text}
end
function redis.error_reply(text)
  if text:sub(1, 1) == '-' then
    text = text:sub(2)
    return {err = text:find(' ') and text or 'ERR ' .. text}
  end
  return {err = text:find(' ') and text or 'ERR ' .. text}
end
function redis.log() end
function redis.setresp() end
function redis.set_repl() end
function redis.replicate_commands()
  return true
end
redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING = 0, 1, 2, 3
set(_G, 'redis', redis)

-- A script must not outlive its budget by catching the error. Errors of commands are texts here.
local function checked(ok, ...)
  if ok then
    return true, ...
  end
  if exhausted() then
    raise('instruction budget spent', 0)
  end
  local problem = ...
  return false, kind(problem) == 'table' and problem.err or problem
end
function pcall(...)
  return checked(protected(...))
end

for _, name in ipairs({'dofile', 'loadfile', 'print', 'coroutine', 'xpcall', 'collectgarbage', 'newproxy'}) do
  set(_G, name, nil)
end

setmetatable(_G, {
  __index = function(_, name)
    raise("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
  end,
  __newindex = function()
    raise('Attempt to modify a readonly table', 2)
  end,
})

return function(native, script, keys, argv)
  current = native
  set(_G, 'KEYS', keys)
  set(_G, 'ARGV', argv)
  return protected(script)
end
