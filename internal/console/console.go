// Package console serves the page that shows a running daemon to its user. Nothing listens before the control socket asks for it. Then
// a port of the loopback interface is open for as long as there are sessions. The page itself is public; everything else needs the
// session of a tab, which a code opens that works once. The daemon keeps no cookie, and of its secrets only digests.
package console

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/web"
)

// portLife is how long the port is open without a session.
const portLife = 15 * time.Minute

// maxConnections are open at one time. A browser has 6 for a page; 8 pages are possible. Another user of the machine that opens as many
// and keeps them must not keep the page out, so further ones close those that have been quiet longest.
const maxConnections = 128

// Auto is the address for a free port of 127.0.0.1.
const Auto = "auto"

// Options say what a console is made of. All but Check and Listen are required.
type Options struct {
	// Address is Auto or an IP address with a port, the value of server.console.
	Address string
	// API makes the handler that is behind the sessions. It is called when the console is first opened.
	API func() http.Handler
	Log *slog.Logger
	// Check says why the port may not be opened now; nil is always. Its error names server.console.
	Check func() error
	// Listen opens the port; nil is net.Listen.
	Listen func(network, address string) (net.Listener, error)
}

// Console is the page of one daemon. Its methods may be called concurrently.
type Console struct {
	opt     Options
	api     func() http.Handler // of Options, made once
	files   func() files        // likewise
	changes bucket
	guesses bucket // wrong codes
	serving sync.WaitGroup

	mu       sync.Mutex // guards the fields below, so that a session is never found that has ended
	sessions sessions
	port     *port       // nil: nothing listens
	timer    *time.Timer // calls tick at sessions.next; nil before the first use
	closed   bool
}

// port is the open one.
type port struct {
	at     netip.AddrPort
	server *http.Server
}

// New makes a console. It opens nothing.
func New(opt Options) *Console {
	if opt.Listen == nil {
		opt.Listen = net.Listen
	}
	if opt.Check == nil {
		opt.Check = func() error { return nil }
	}
	return &Console{opt: opt, api: sync.OnceValue(opt.API), files: sync.OnceValue(readFiles)}
}

// Open opens the port if need be, and makes a URL that opens a session once. Its errors are *api.Refusal.
func (c *Console) Open(by api.Peer) (api.ConsoleURL, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return api.ConsoleURL{}, &api.Refusal{Status: http.StatusServiceUnavailable, Text: "the daemon is stopping"}
	}
	now := time.Now()
	c.expire(now)
	if c.port == nil {
		if err := c.listen(); err != nil {
			return api.ConsoleURL{}, &api.Refusal{Status: http.StatusConflict, Text: err.Error()}
		}
		c.opt.Log.Info("console opened", append([]any{"listen", c.port.at.String()}, by.Attrs()...)...)
	}
	code := c.sessions.newCode(now)
	c.plan(now)
	return api.ConsoleURL{URL: "http://" + c.port.host() + "/#k=" + string(code), ExpiresIn: int(codeLife / time.Second)}, nil
}

// Revoke ends all sessions, makes all codes worthless and closes the port.
func (c *Console) Revoke(by api.Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := c.sessions.removeAll(time.Now())
	c.close()
	c.opt.Log.Info("console sessions revoked", append([]any{"sessions", ended}, by.Attrs()...)...)
}

// Close ends the console for good.
func (c *Console) Close() {
	c.mu.Lock()
	c.closed = true
	c.sessions.removeAll(time.Now())
	c.close()
	c.mu.Unlock()
}

// listen opens the port. It is called with c.mu held.
func (c *Console) listen() error {
	if err := c.opt.Check(); err != nil {
		return err
	}
	address := c.opt.Address
	if address == Auto {
		address = "127.0.0.1:0"
	}
	l, err := c.opt.Listen(network(address), address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("server.console: %s is in use; stop what uses it, or choose another port", address)
	case err != nil:
		return fmt.Errorf("server.console: %w; choose another address", reason(err))
	}
	at := l.Addr().(*net.TCPAddr).AddrPort() //nolint:forcetypeassert // of net.Listen
	p := &port{at: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
	p.server = &http.Server{
		Handler:                      &gate{c, p},
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  5 * time.Second,
		IdleTimeout:                  time.Minute,
		MaxHeaderBytes:               16 << 10,
		DisableGeneralOptionsHandler: true, // it would answer OPTIONS * before any check
		ConnState:                    web.NewCrowd(maxConnections).Changed,
		ErrorLog:                     slog.NewLogLogger(c.opt.Log.Handler(), slog.LevelDebug),
	}
	c.port = p
	c.serving.Go(func() { _ = p.server.Serve(l) })
	return nil
}

// network is tcp4 for an IPv4 address: with tcp, Go would open 0.0.0.0 on IPv6, too.
func network(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// reason takes the cause out of a net.OpError, which would name the address twice.
func reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return fmt.Errorf("%s: %w", op.Addr, op.Err)
	}
	return err
}

// host is what a browser of this machine calls the port.
func (p *port) host() string {
	if p.at.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p.at.Port()).String()
	}
	return p.at.String()
}

// close closes the port, if it is open, and waits until it is free for the next. It is called with c.mu held, which serving never takes.
func (c *Console) close() {
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.port == nil {
		return
	}
	_ = c.port.server.Close()
	c.serving.Wait()
	c.port = nil
	c.opt.Log.Info("console closed")
}

// expire ends sessions whose time is over. It is called with c.mu held.
func (c *Console) expire(now time.Time) {
	if ended := c.sessions.expire(now); ended > 0 {
		c.opt.Log.Info("console sessions expired", "sessions", ended, "left", len(c.sessions.all))
	}
}

// tick ends what has expired, and closes the port when there has been no session for long.
func (c *Console) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.expire(now)
	if len(c.sessions.all) == 0 && !now.Before(c.sessions.next()) {
		c.close()
		return
	}
	c.plan(now)
}

// plan has tick called in time. It is called with c.mu held.
func (c *Console) plan(now time.Time) {
	switch wait := c.sessions.next().Sub(now); {
	case c.port == nil:
	case c.timer == nil:
		c.timer = time.AfterFunc(wait, c.tick)
	default:
		c.timer.Reset(wait)
	}
}
