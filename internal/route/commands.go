package route

import (
	"fmt"
	"net/netip"
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

// Commands returns what Add runs on the system goos, or what undoes it. present says whether the loopback interface has the
// address. On Linux the commands are for display only: Add uses netlink.
func Commands(goos string, undo bool, target netip.AddrPort, present bool) ([]Command, error) {
	switch goos {
	case "linux":
		return linuxCommands(undo), nil
	case "darwin":
		return darwinCommands(undo, target, present), nil
	case "windows":
		return windowsCommands(undo, target, present), nil
	default:
		return nil, fmt.Errorf("cannot add %s on %s; supported are linux, darwin and windows", IPv4(), goos)
	}
}

func linuxCommands(undo bool) []Command {
	if undo {
		return lines("ip link delete " + Interface)
	}
	commands := lines("ip link add "+Interface+" type dummy", "ip link set "+Interface+" addrgenmode none", "ip link set "+Interface+" up")
	for _, a := range Addresses() {
		add := fmt.Sprintf("ip address add %s/%d dev %s", a, a.BitLen(), Interface)
		if a.Is6() {
			add += " nodad"
		}
		commands = append(commands, lines(add)...)
	}
	return commands
}

func darwinCommands(undo bool, target netip.AddrPort, present bool) []Command {
	var alias []Command
	switch {
	case undo && present:
		alias = lines("ifconfig lo0 -alias " + IPv4().String())
	case !undo && !present:
		alias = lines("ifconfig lo0 alias " + IPv4().String() + " 255.255.255.255")
	}
	pf := []string{"pfctl", "-a", anchor}
	if undo {
		return append([]Command{
			{Args: append(pf, "-F", "all")},
			{Args: []string{"pfctl", "-X"}, TokenFile: referenceFile},
		}, alias...)
	}
	rule := fmt.Sprintf("rdr pass on lo0 inet proto tcp from any to %s port 80 -> %s port %d\n", IPv4(), target.Addr(), target.Port())
	return append(alias,
		Command{Args: append(pf, "-f", "-"), Input: rule},
		Command{Args: []string{"pfctl", "-E"}, SaveTo: referenceFile},
	)
}

func windowsCommands(undo bool, target netip.AddrPort, present bool) []Command {
	address := func(action string) Command {
		return Command{Args: []string{"netsh", "interface", "ipv4", action, "address", windowsLoopback, IPv4().String(), "255.255.255.255"}}
	}
	listen := "listenaddress=" + IPv4().String() + " listenport=80"
	if undo {
		proxy := lines("netsh interface portproxy delete v4tov4 " + listen)
		proxy[0].MayFail = !present
		if present {
			del := address("delete")
			del.Args = del.Args[:len(del.Args)-1] // delete takes no mask
			return append(proxy, del)
		}
		return proxy
	}
	proxy := lines(fmt.Sprintf("netsh interface portproxy add v4tov4 %s connectaddress=%s connectport=%d", listen, target.Addr(), target.Port()))
	if present {
		return proxy
	}
	return append([]Command{address("add")}, proxy...)
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
