// What the DNS and a port mapping would do, for clients that insist on port 443 of the hub's name: TLS connections go to
// AZX_REACH (HOST:PORT), whatever their name, which certificates are still checked for. Use: node --require FILE.
'use strict';

const tls = require('tls');

const [host, port] = process.env.AZX_REACH.split(':');
const connect = tls.connect;

tls.connect = (options, ...rest) => {
  const name = options.servername || options.host;
  return connect.call(tls, { ...options, host, port, path: undefined, servername: name }, ...rest);
};
