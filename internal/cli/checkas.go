package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/guard"
)

// engineTimeout bounds how long check --as waits for the container engine.
const engineTimeout = 2 * time.Second

// checkAs prints what one client gets, why, and all that it sees.
func checkAs(cmd *cobra.Command, f *flags, loaded *config.Loaded, newLocator app.NewLocator, as, at string) error {
	address, err := netip.ParseAddr(as)
	if err != nil {
		return &usageError{fmt.Errorf("--as %q is not an address; write e.g. --as 192.168.56.11", as)}
	}
	address = address.Unmap()
	listeners := app.Listeners(loaded.Config)
	if at == "" {
		at = listeners[0]
	}
	if !slices.Contains(listeners, at) {
		return &usageError{fmt.Errorf("--at %q is none of the configuration's listeners; these are: %s", at, strings.Join(listeners, ", "))}
	}
	if _, err := app.Check(loaded); err != nil {
		return err
	}
	also, err := app.HostNetworks(f.environ)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	g := guard.New(guard.NewNetworks(log, also...), log, time.Now)
	g.Use(app.RulesOf(loaded.Config))

	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "# what %s gets at %s\n", address, at)
	client := app.Client{Address: address, Listener: at, Local: g.ClassOf(address) == guard.Local}
	switch g.ClassOf(address) {
	case guard.Refused:
		fmt.Fprintf(out, "403: it is not allowed; add it to server.allow_clients: %s. If it were:\n", netip.PrefixFrom(address.WithZone(""), address.BitLen()))
	case guard.Local:
		fmt.Fprintln(out, "it is this machine itself")
	case guard.Allowed:
		if loaded.Config.Containers.Engine == "" {
			break
		}
		found, err := locate(cmd.Context(), newLocator, loaded.Config.Containers, address)
		if err != nil {
			fmt.Fprintf(out, "503: %v\n", err)
			return nil
		}
		fmt.Fprintln(out, describeWorkload(found))
		client.Workload = found
	}
	grant, paths, err := app.DescribeClient(loaded, client)
	if err != nil {
		return err
	}
	printLines(out, grant)
	fmt.Fprintln(out, "\n# what it sees")
	printLines(out, paths)
	return nil
}

func printLines(out io.Writer, lines []string) {
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
}

// describeWorkload says what runs at an address.
func describeWorkload(w *caller.Workload) string {
	switch {
	case w == nil:
		return "it is no container"
	case w.Role == "":
		return "it is " + w.Name + ", which names no role"
	default:
		return fmt.Sprintf("it is %s, which names the role %s (%s)", w.Name, w.Role, w.Source)
	}
}

// locate asks the container engine what runs at an address, for at most 2 seconds.
func locate(ctx context.Context, newLocator app.NewLocator, c config.Containers, address netip.Addr) (*caller.Workload, error) {
	locator, err := newLocator(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		locator.Run(ctx)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for {
		w, err := locator.Locate(ctx, address)
		switch s := locator.Status(); {
		case err == nil:
			return w, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%s does not answer within %v", c.Engine, engineTimeout)
		case s == nil || s.Connected || s.Error != "":
			return nil, err
		}
	}
}
