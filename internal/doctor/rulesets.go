package doctor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"mock-ec2-metadata/internal/netfilter"
)

// filters are the packet filters of this machine.
type filters struct {
	chains []*netfilter.Chain
	// unseen are the programs that could not be run, and why; commands is how to look at their rules.
	unseen, commands []string
	needsRoot        bool
}

// filters lists the packet filters of this machine. iptables-nft's rules are listed by nft too, with less detail.
func (m machine) filters(ctx context.Context) *filters {
	f := &filters{}
	listed := map[string]bool{} // tables of iptables-nft
	for _, ip := range []struct{ iptables, family, tables string }{
		{"iptables", "ip", "proc/net/ip_tables_names"}, {"ip6tables", "ip6", "proc/net/ip6_tables_names"},
	} {
		missing := map[string]bool{} // by kind
		for _, kind := range []string{"nft", "legacy"} {
			tool := ip.iptables + "-" + kind
			saved, err := m.list(ctx, tool+"-save")
			missing[kind] = errors.Is(err, exec.ErrNotFound)
			if err == nil {
				f.addIptables(tool, ip.family, saved, listed)
			} else if !missing[kind] {
				f.failed(err, "sudo "+tool+"-save")
			}
		}
		if missing["nft"] || missing["legacy"] { // older systems have one program of one kind
			saved, err := m.list(ctx, ip.iptables+"-save")
			kind := "legacy"
			if strings.Contains(saved, "(nf_tables)") {
				kind = "nft"
			}
			switch {
			case err == nil && missing[kind] && saved != "":
				missing[kind] = false
				f.addIptables(ip.iptables, ip.family, saved, listed)
			case err != nil && !errors.Is(err, exec.ErrNotFound):
				f.failed(err, "sudo "+ip.iptables+"-save")
			}
		}
		if missing["legacy"] && m.read(ip.tables) != "" {
			f.failed(fmt.Errorf("%s-legacy-save is not installed", ip.iptables), "sudo "+ip.iptables+"-legacy-save")
		}
	}
	f.addNFT(ctx, m, listed)
	return f
}

func (f *filters) addIptables(tool, family, saved string, listed map[string]bool) {
	chains := netfilter.ParseIptables(tool, family, saved)
	if strings.Contains(saved, "(nf_tables)") {
		for _, c := range chains {
			listed[c.Table()] = true
		}
	}
	f.chains = append(f.chains, chains...)
}

// addNFT adds what nft lists, but for the tables that iptables-nft has listed.
func (f *filters) addNFT(ctx context.Context, m machine, listed map[string]bool) {
	const look = "sudo nft list ruleset"
	listing, err := m.list(ctx, "nft", "-j", "list", "ruleset")
	if errors.Is(err, exec.ErrNotFound) {
		f.failed(errors.New("nft is not installed"), look)
		return
	}
	text := ""
	if err == nil {
		text, err = m.list(ctx, "nft", "-a", "list", "ruleset")
	}
	var chains []*netfilter.Chain
	if err == nil {
		chains, err = netfilter.ParseNFT([]byte(listing), text)
	}
	if err != nil {
		f.failed(err, look)
	}
	for _, c := range chains {
		if !listed[c.Table()] {
			f.chains = append(f.chains, c)
		}
	}
}

// failed notes what could not be looked at.
func (f *filters) failed(err error, command string) {
	for _, sign := range []string{"permitted", "ermission", "must be root"} {
		f.needsRoot = f.needsRoot || strings.Contains(err.Error(), sign)
	}
	f.unseen, f.commands = append(f.unseen, err.Error()), append(f.commands, command)
}

// note says what could not be looked at; "" if all could.
func (f *filters) note() string {
	switch {
	case len(f.unseen) == 0:
		return ""
	case f.needsRoot:
		return "not all rules of nft and iptables were looked at, since that needs root; to look: sudo mock-ec2-metadata doctor (in Docker: on the host)"
	default:
		return fmt.Sprintf("not all rules were looked at: %s; to look: %s", strings.Join(f.unseen, "; "), strings.Join(f.commands, "; "))
	}
}
