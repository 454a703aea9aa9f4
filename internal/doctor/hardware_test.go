package doctor

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/route"
	"mock-ec2-metadata/internal/testutil"
)

func TestExamineHardware_NamesClientsThatDoNotAsk(t *testing.T) {
	const (
		head    = "clients that look at the hardware first do not ask here: "
		tail    = "; a virtual machine can be given EC2's values (docs/networking.md)"
		cloud   = "cloud-init (the system's UUID)"
		connect = "EC2 Instance Connect (the board's asset tag)"
		gdal    = "GDAL (the system's vendor)"
		ohai    = "Ohai (the BIOS's vendor)"
	)
	for _, tt := range []struct {
		name  string
		files map[string]string // below sys; dmi/ is class/dmi/id/
		want  []string
	}{
		{name: "no values", want: []string{cloud, connect, ohai}},
		{name: "a laptop", files: map[string]string{"dmi/sys_vendor": "LENOVO\n", "dmi/bios_vendor": "LENOVO\n", "dmi/product_uuid": "4c4c4544-0043\n"}, want: []string{cloud, connect, gdal, ohai}},
		{name: "EC2", files: map[string]string{
			"dmi/sys_vendor": "Amazon EC2\n", "dmi/bios_vendor": "Amazon EC2\n", "dmi/bios_version": "1.0\n", "dmi/product_uuid": "ec2ae145-d1d3-d1d3\n", "dmi/board_asset_tag": "i-0123456789abcdef0\n",
		}},
		{name: "Xen", files: map[string]string{"hypervisor/uuid": "ec2ae145-d1d3\n"}},
		{name: "another Xen", files: map[string]string{"hypervisor/uuid": "00000000-d1d3\n", "dmi/sys_vendor": "Amazon EC2\n"}, want: []string{cloud, connect, gdal, ohai}},
		{name: "swapped UUID", files: map[string]string{"dmi/product_uuid": "45E12AEC-D1D3\n"}, want: []string{connect, ohai}},
		{name: "UUID in capitals", files: map[string]string{"dmi/product_uuid": "EC2AE145-D1D3\n"}, want: []string{connect, ohai}},
		{name: "another instance's tag", files: map[string]string{"dmi/board_asset_tag": "i-00000000000000001\n"}, want: []string{cloud, connect, ohai}},
		{name: "BIOS version", files: map[string]string{"dmi/bios_vendor": "Xen\n", "dmi/bios_version": "4.2.amazon\n"}, want: []string{cloud, connect}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			m := quietMachine(t)
			for name, text := range tt.files {
				testutil.Write(t, m.root+"/sys/"+strings.Replace(name, "dmi/", "class/dmi/id/", 1), text)
			}
			h := m.hardware()
			want := Finding{Mark: OK, Text: "clients that look at the hardware first take this machine for an EC2 instance"}
			if len(tt.want) > 0 {
				want = Finding{Mark: Note, Text: head + strings.Join(tt.want, ", ") + tail}
			}
			d := &doctor{machine: m, hardware: &h, loaded: load(t)}
			if diff := cmp.Diff(want, d.examineHardware(t.Context()), cmp.AllowUnexported(Finding{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// load loads the embedded default with keys set.
func load(t *testing.T, set ...string) *config.Loaded {
	t.Helper()
	loaded, err := config.Load(config.Sources{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestForeignMAC_IsNamedWhereTheMachineIsTheInstance(t *testing.T) {
	const has = "no interface of this machine has ec2.mac, 02:00:00:00:00:01: cloud-init would configure none, and aws-vpc-move-ip would fail"
	mac := func(name string, last byte) net.Interface {
		return net.Interface{Name: name, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, last}}
	}
	lo, own := net.Interface{Name: "lo"}, mac(route.Interface, 9)
	for _, tt := range []struct {
		name  string
		local bool
		links []net.Interface
		want  string
	}{
		{name: "not here", links: []net.Interface{mac("eth0", 2)}},
		{name: "here", local: true, links: []net.Interface{lo, mac("eth0", 2), mac("eth1", 3), own}, want: has + "; set ec2.mac to that of the first interface, of 02:00:00:00:00:02 (eth0), 02:00:00:00:00:03 (eth1)"},
		{name: "no interface", local: true, links: []net.Interface{lo, own}, want: has},
		{name: "the same", local: true, links: []net.Interface{lo, mac("eth0", 2), mac("eth1", 1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			m := quietMachine(t)
			m.links = func() []net.Interface { return tt.links }
			if tt.local {
				m.places = func(route.Services) ([]route.Place, error) {
					return []route.Place{{Address: route.IPv4(), Interface: route.Interface}}, nil
				}
			}
			d := &doctor{machine: m, loaded: load(t, "ec2.mac=02:00:00:00:00:01")}
			if got := d.foreignMAC(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
