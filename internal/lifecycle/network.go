package lifecycle

import (
	"net/netip"
	"slices"
	"time"

	"mock-ec2-metadata/internal/config"
)

const macsDir = "meta-data/network/interfaces/macs/"

func macDir(mac string) string { return macsDir + mac }

// halfway is when an interface that is being attached shows more than its directory; zero for other events.
func (e *Event) halfway() time.Time {
	if e.Spec.Network != "attach" || e.waiting() || e.Phases[0].Name != Partial {
		return time.Time{}
	}
	return e.Phases[0].At.Add(e.Spec.Lag / 2)
}

// network changes addresses and interfaces. With a lag they change at its end; only one that is attached shows in parts before.
func (p *patch) network(e *Event, s step) error {
	if e.Spec.Network == "attach" {
		return p.attach(e, s)
	}
	ec2, err := p.networkChanged(&e.Spec)
	if err != nil || s.phase == Partial {
		return err
	}
	if e.Spec.Network == "detach" {
		p.forget(macDir(p.canonicalMAC(e.Spec.MAC)))
	}
	p.in.EC2 = ec2
	return nil
}

// networkChanged returns the values of ec2 after an event other than attach.
func (p *patch) networkChanged(spec *config.Event) (config.EC2, error) {
	trial := p.clone()
	field, err := "address", error(nil)
	switch spec.Network {
	case "add-ip":
		err = trial.addAddress(spec)
	case "remove-ip":
		err = trial.removeAddress(spec)
	default:
		field, err = "mac", trial.detach(spec.MAC)
	}
	if err != nil {
		return config.EC2{}, err
	}
	ec2 := trial.in.EC2
	trial.in.EC2 = p.in.EC2
	return ec2, trial.try(field, ec2)
}

// addAddress gives an interface a secondary address or a prefix.
func (p *patch) addAddress(spec *config.Event) error {
	d, err := p.device(spec.MAC)
	if err != nil {
		return err
	}
	text, list, err := d.listOf(spec.Address)
	if err != nil {
		return err
	}
	added, _ := networkOf(text)
	for _, n := range p.interfaces() {
		for _, other := range slices.Concat(n.LocalIPv4s, n.IPv6s, n.IPv4Prefixes, n.IPv6Prefixes) {
			taken, ok := networkOf(other)
			if !ok || !taken.Overlaps(added) {
				continue
			}
			if taken == added || !taken.IsSingleIP() && !added.IsSingleIP() {
				return inTheWay("address", "%s is at interface %s already; choose another", other, n.MAC)
			}
		}
	}
	*list = append(slices.Clip(*list), text)
	d.store(&p.in.EC2)
	return nil
}

// removeAddress takes a secondary address or a prefix from an interface, and the public address that belongs to it.
func (p *patch) removeAddress(spec *config.Event) error {
	d, err := p.device(spec.MAC)
	if err != nil {
		return err
	}
	text, list, err := d.listOf(spec.Address)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(*list, func(other string) bool { return sameNetwork(other, text) })
	switch {
	case i < 0:
		return wrong("address", "%s is not at interface %s; name an address or a prefix that it has", text, d.mac)
	case list == &d.LocalIPv4s && i == 0:
		return wrong("address", "%s is the primary address of interface %s, which stays; name a secondary one", text, d.mac)
	}
	*list = without(*list, i)
	if list == &d.LocalIPv4s && i < len(d.PublicIPv4s) {
		d.PublicIPv4s = without(d.PublicIPv4s, i)
	}
	d.store(&p.in.EC2)
	return nil
}

// without returns a copy of a list that lacks an element; nil if none is left.
func without(list []string, i int) []string {
	if len(list) == 1 {
		return nil
	}
	return slices.Concat(list[:i], list[i+1:])
}

func sameNetwork(a, b string) bool {
	p, ok := networkOf(a)
	q, ok2 := networkOf(b)
	return ok && ok2 && p == q
}

// listOf returns the list that an address or a prefix belongs to, and its text in the usual form.
func (d *device) listOf(address string) (text string, list *[]string, err error) {
	if a, err := netip.ParseAddr(address); err == nil {
		if a = a.Unmap(); a.Is4() {
			return a.String(), &d.LocalIPv4s, nil
		}
		return a.String(), &d.IPv6s, nil
	}
	p, ok := networkOf(address)
	switch {
	case !ok:
		return "", nil, wrong("address", "%q is no address or prefix; write e.g. 10.0.0.20 or 10.0.1.0/28", address)
	case p.Addr().Is4():
		return p.String(), &d.IPv4Prefixes, nil
	default:
		return p.String(), &d.IPv6Prefixes, nil
	}
}

// attach adds an interface. While it lags, its directory has a false device number, then the first leaves (events-reference section 1.7).
func (p *patch) attach(e *Event, s step) error {
	trial := p.clone()
	n, err := trial.newInterface(e)
	if err != nil {
		return err
	}
	if err := p.free("interface", macDir(n.MAC)+"/device-number"); err != nil {
		return err
	}
	pinned := trial.in.EC2
	pinned.NetworkInterfaces = append(pinned.NetworkInterfaces, n)
	if err := trial.try("interface", pinned); err != nil {
		return err
	}
	if s.phase == Partial {
		dir := macDir(n.MAC)
		values := map[string]string{dir + "/device-number": "0"}
		if s.half {
			values = firstLeaves(trial.interfaces(), n.MAC)
		}
		if err := trial.put("interface", values, dir); err != nil {
			return err
		}
	}
	*p = *trial
	return nil
}

// newInterface completes the interface of an event. It pins what others have derived.
func (p *patch) newInterface(e *Event) (config.NetworkInterface, error) {
	p.pin()
	all := p.interfaces()
	var n config.NetworkInterface
	if e.Spec.Interface != nil {
		n = *e.Spec.Interface
	}
	owner := p.in.EC2.InstanceID + " " + e.ID
	if n.MAC == "" {
		n.MAC = macOf(owner)
	}
	if n.InterfaceID == "" {
		n.InterfaceID = hexID("eni-", owner)
	}
	if n.DeviceNumber == 0 && n.NetworkCard == 0 {
		n.DeviceNumber = freeDevice(all)
	}
	if n.LocalIPv4s == nil && len(all[0].LocalIPv4s) > 0 {
		n.LocalIPv4s = []string{freeAddress(all)}
	}
	if other := find(all, n.MAC); other != nil {
		return n, inTheWay("interface.mac", "%s is that of interface %s already; choose another", n.MAC, other.ID)
	}
	return n, nil
}
