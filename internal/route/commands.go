package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

const (
	// anchor is below com.apple because macOS's /etc/pf.conf refers to that (rdr-anchor "com.apple/*"). So no other rules must
	// be reloaded.
	anchor = "com.apple/mock-ec2-metadata"
	// referenceFile has the token that pfctl -E prints and pfctl -X takes: pf is enabled while any token exists (pfctl(8) of
	// macOS). Like pf's state, the file is lost at a restart.
	referenceFile = "/var/run/mock-ec2-metadata.pf"

	windowsLoopback = "Loopback Pseudo-Interface 1"
)

// Command is a program with its arguments.
type Command struct {
	Args  []string
	Input string // for stdin
	// SaveTo is the file for the output, which must have a token. The command is skipped if the file exists.
	SaveTo string
	// TokenFile is the file of an earlier SaveTo. Its token becomes the last argument; afterwards the file is removed. The
	// command is skipped if the file does not exist.
	TokenFile string
	// MayFail is set where there may be nothing to undo.
	MayFail bool
}

// Change is what Commands makes commands for.
type Change struct {
	Undo      bool
	Addresses []netip.Addr   // to add, or all that may be there to remove
	Target    netip.AddrPort // where their port 80 leads, but for Linux
	// Present are those that the loopback interface has already; Linux does not need them.
	Present []netip.Addr
}

// Commands returns what Add runs on the system goos, or what undoes it. On Linux the commands are for display only: Add uses
// netlink. The other systems' tools redirect no IPv6, so those addresses are left out there.
func Commands(goos string, c Change) ([]Command, error) {
	if goos == "linux" {
		return c.linux(), nil
	}
	c.Addresses = slices.DeleteFunc(slices.Clone(c.Addresses), netip.Addr.Is6)
	switch goos {
	case "darwin":
		return c.darwin(), nil
	case "windows":
		return c.windows(), nil
	default:
		return nil, fmt.Errorf("cannot add %s on %s; supported are linux, darwin and windows", Names(c.Addresses), goos)
	}
}

func (c *Change) linux() []Command {
	if c.Undo {
		return lines("ip link delete " + Interface)
	}
	commands := lines("ip link add "+Interface+" type dummy", "ip link set "+Interface+" addrgenmode none", "ip link set "+Interface+" up")
	for _, a := range c.Addresses {
		add := fmt.Sprintf("ip address add %s/%d dev %s", a, a.BitLen(), Interface)
		if a.Is6() {
			add += " nodad"
		}
		commands = append(commands, lines(add)...)
	}
	return commands
}

// darwin loads the rules of all addresses at once: they replace those that the anchor has.
func (c *Change) darwin() []Command {
	var aliases []Command
	var rules strings.Builder
	for _, a := range c.Addresses {
		present := slices.Contains(c.Present, a)
		switch {
		case c.Undo && present:
			aliases = append(aliases, lines("ifconfig lo0 -alias "+a.String())...)
		case !c.Undo && !present:
			aliases = append(aliases, lines("ifconfig lo0 alias "+a.String()+" 255.255.255.255")...)
		}
		fmt.Fprintf(&rules, "rdr pass on lo0 inet proto tcp from any to %s port 80 -> %s port %d\n", a, c.Target.Addr(), c.Target.Port())
	}
	pf := []string{"pfctl", "-a", anchor}
	if c.Undo {
		return append([]Command{
			{Args: append(pf, "-F", "all")},
			{Args: []string{"pfctl", "-X"}, TokenFile: referenceFile},
		}, aliases...)
	}
	return append(aliases,
		Command{Args: append(pf, "-f", "-"), Input: rules.String()},
		Command{Args: []string{"pfctl", "-E"}, SaveTo: referenceFile},
	)
}

func (c *Change) windows() []Command {
	var commands []Command
	for _, a := range c.Addresses {
		address := []string{"netsh", "interface", "ipv4", "add", "address", windowsLoopback, a.String(), "255.255.255.255"}
		listen := "listenaddress=" + a.String() + " listenport=80"
		present := slices.Contains(c.Present, a)
		if c.Undo {
			proxy := lines("netsh interface portproxy delete v4tov4 " + listen)
			proxy[0].MayFail = !present
			commands = append(commands, proxy...)
			if present {
				address[3] = "delete"
				commands = append(commands, Command{Args: address[:len(address)-1]}) // delete takes no mask
			}
			continue
		}
		if !present {
			commands = append(commands, Command{Args: address})
		}
		commands = append(commands, lines(fmt.Sprintf("netsh interface portproxy add v4tov4 %s connectaddress=%s connectport=%d", listen, c.Target.Addr(), c.Target.Port()))...)
	}
	return commands
}

// lines splits lines without quotes into commands.
func lines(lines ...string) []Command {
	commands := make([]Command, len(lines))
	for i, line := range lines {
		commands[i].Args = strings.Fields(line)
	}
	return commands
}

// String formats the command for the system's shell.
func (c Command) String() string {
	quoted := make([]string, len(c.Args))
	for i, arg := range c.Args {
		quoted[i] = arg
		if strings.Contains(arg, " ") {
			quoted[i] = `"` + arg + `"`
		}
	}
	line := strings.Join(quoted, " ")
	if c.Input != "" {
		line = fmt.Sprintf("echo '%s' | %s", strings.TrimSpace(c.Input), line)
	}
	if c.SaveTo != "" {
		line = fmt.Sprintf("[ -e %s ] || %s >%[1]s 2>&1", c.SaveTo, line)
	}
	if c.TokenFile != "" {
		line = fmt.Sprintf(`[ ! -e %s ] || { %s "$(sed -n 's/^Token : //p' %[1]s)" && rm %[1]s; }`, c.TokenFile, line)
	}
	return line
}
