package cli

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/console"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/guard"
)

// checkConsole refuses an address of server.console that other machines can reach: what the browser sends is not encrypted. It is asked at
// the start, and again when the port opens: by then the machine may have another network.
func checkConsole(c config.Server, log *slog.Logger) error {
	if !c.HasConsoleAddress() {
		return nil
	}
	at, err := netip.ParseAddrPort(c.Console)
	if err != nil {
		return fmt.Errorf("server.console: %w", err) // package config has checked it
	}
	if at.Addr().IsLoopback() {
		return nil
	}
	networks := guard.NewNetworks(log).Real()
	if len(networks) == 0 {
		return nil
	}
	return fmt.Errorf("server.console: %s is not a loopback address, and other machines may read or reach it by %s; use auto or 127.0.0.1:%d",
		c.Console, strings.Join(networks, ", "), at.Port())
}

// addConsole adds the console of a daemon to its control socket, unless it is off.
func addConsole(s *control.Server, c config.Server, a *app.App, log *slog.Logger) {
	if c.Console == control.Off {
		return
	}
	s.UseConsole(console.New(console.Options{
		Address: c.Console,
		API:     func() http.Handler { return control.ConsoleHandler(a, log) },
		Log:     log,
		Check:   func() error { return checkConsole(c, log) },
	}))
}
