package route

import (
	"fmt"
	"net/netip"
	"strings"
)

const (
	// anchor is below com.apple, since that is what macOS's /etc/pf.conf refers to (rdr-anchor "com.apple/*"): no rule of
	// anybody else's has to be loaded again.
	anchor = "com.apple/mock-ec2-metadata"
	// referenceFile keeps what pfctl -E gives out and pfctl -X takes back, so that pf stays on only as long as somebody needs it
	// (pfctl(8) of macOS). Like pf's state it does not survive a restart.
	referenceFile = "/var/run/mock-ec2-metadata.pf"

	windowsLoopback = "Loopback Pseudo-Interface 1"
)

// Command is a program that a system is asked to run.
type Command struct {
	Args  []string
	Input string // what it reads
	// Keep is the file that gets what it prints, which has to have a token; while there is one, the command need not run.
	Keep string
	// Token is the file that Keep has made: its token is one more argument, and then it goes. Without it the command need
	// not run.
	Token string
	// MayFail says that there may be nothing to undo.
	MayFail bool
}

// Commands do on a system, named as GOOS does, what Add does, or undo it. there says that the loopback interface has the
// address. On Linux nothing of this is run: it says what netlink is asked for.
func Commands(goos string, undo bool, target netip.AddrPort, there bool) ([]Command, error) {
	switch goos {
	case "linux":
		return linuxCommands(undo), nil
	case "darwin":
		return darwinCommands(undo, target, there), nil
	case "windows":
		return windowsCommands(undo, target, there), nil
	default:
		return nil, fmt.Errorf("only on Linux, macOS and Windows is it known how %s is put on a machine, and this is %s", IPv4(), goos)
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

func darwinCommands(undo bool, target netip.AddrPort, there bool) []Command {
	var alias []Command
	switch {
	case undo && there:
		alias = lines("ifconfig lo0 -alias " + IPv4().String())
	case !undo && !there:
		alias = lines("ifconfig lo0 alias " + IPv4().String() + " 255.255.255.255")
	}
	pf := []string{"pfctl", "-a", anchor}
	if undo {
		return append([]Command{
			{Args: append(pf, "-F", "all")},
			{Args: []string{"pfctl", "-X"}, Token: referenceFile},
		}, alias...)
	}
	rule := fmt.Sprintf("rdr pass on lo0 inet proto tcp from any to %s port 80 -> %s port %d\n", IPv4(), target.Addr(), target.Port())
	return append(alias,
		Command{Args: append(pf, "-f", "-"), Input: rule},
		Command{Args: []string{"pfctl", "-E"}, Keep: referenceFile},
	)
}

func windowsCommands(undo bool, target netip.AddrPort, there bool) []Command {
	address := func(action string) Command {
		return Command{Args: []string{"netsh", "interface", "ipv4", action, "address", windowsLoopback, IPv4().String(), "255.255.255.255"}}
	}
	listen := "listenaddress=" + IPv4().String() + " listenport=80"
	if undo {
		proxy := lines("netsh interface portproxy delete v4tov4 " + listen)
		proxy[0].MayFail = !there
		if there {
			del := address("delete")
			del.Args = del.Args[:len(del.Args)-1] // by the address alone
			return append(proxy, del)
		}
		return proxy
	}
	proxy := lines(fmt.Sprintf("netsh interface portproxy add v4tov4 %s connectaddress=%s connectport=%d", listen, target.Addr(), target.Port()))
	if there {
		return proxy
	}
	return append([]Command{address("add")}, proxy...)
}

// lines makes commands of lines without quotes.
func lines(lines ...string) []Command {
	commands := make([]Command, len(lines))
	for i, line := range lines {
		commands[i].Args = strings.Fields(line)
	}
	return commands
}

// String writes the command for the system's shell.
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
	if c.Keep != "" {
		line = fmt.Sprintf("[ -e %s ] || %s >%[1]s 2>&1", c.Keep, line)
	}
	if c.Token != "" {
		line = fmt.Sprintf(`[ ! -e %s ] || { %s "$(sed -n 's/^Token : //p' %[1]s)" && rm %[1]s; }`, c.Token, line)
	}
	return line
}
