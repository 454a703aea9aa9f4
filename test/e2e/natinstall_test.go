//go:build e2e && linux

package e2e

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

// TestNAT_BootWaitsForTheNetwork runs nat.sh --boot, as the installed unit does, in a box whose network is not up yet.
func TestNAT_BootWaitsForTheNetwork(t *testing.T) {
	path := toolDir(t, append([]string{"ip", "nft"}, natTools...)...)
	const noClient = "nat.sh: could not check that the daemon answers: there is neither curl nor wget\n"

	t.Run("an address needs no network", func(t *testing.T) {
		b := natBox{t: t, box: newNamespace(t, "boot"), path: path}
		const redirected = "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5001\n"
		b.nat([]string{"METADATA_HOST=192.0.2.1", "METADATA_PORT=5001"}, 0, redirected, "", "--boot")
		if diff := cmp.Diff(ourTable("192.0.2.1:5001"), b.ruleset()); diff != "" {
			t.Errorf("ruleset (-want +got):\n%s", diff)
		}
	})
	t.Run("the gateway comes late", func(t *testing.T) {
		box, _ := newBox(t)
		shell := box.command(t, []string{"PATH=" + path}, "/bin/sh", natScript, "--boot")
		done := make(chan result, 1)
		go func() { done <- finish(t, shell) }()
		// It sleeps when it has found no gateway.
		waitForChild(t, box, "sleep")
		box.route(t, "default", "via", hostAddress)
		want := result{stdout: "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000\n" + noClient}
		if diff := cmp.Diff(want, <-done, cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("nat.sh --boot (-want +got):\n%s", diff)
		}
	})
	t.Run("no gateway comes", func(t *testing.T) {
		b := natBox{t: t, box: newNamespace(t, "boot"), path: path}
		b.nat([]string{"METADATA_WAIT=1"}, 1, "", "nat.sh: there is no default gateway to redirect to; say where the daemon runs, "+
			"for example: METADATA_HOST=192.168.56.1 sh nat.sh\n", "--boot")
	})
	t.Run("no daemon answers", func(t *testing.T) {
		box, _ := newBox(t)
		box.route(t, "default", "via", hostAddress)
		b := natBox{t: t, box: box, path: systemPath}
		b.nat(nil, 1, "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000\n", noAnswer("192.0.2.1:5000"), "--boot")
	})
}

// waitForChild waits until a program of this name runs in the namespace.
func waitForChild(t *testing.T, n netns, name string) {
	t.Helper()
	testutil.Eventually(t, name+" runs", func() bool {
		return slices.ContainsFunc(n.processes(t), func(pid int) bool {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			return strings.TrimSpace(string(comm)) == name
		})
	})
}

const (
	natProgram = "usr/local/sbin/mock-ec2-metadata-nat"
	natUnit    = "etc/systemd/system/mock-ec2-metadata-nat.service"
	natInitd   = "etc/init.d/mock-ec2-metadata-nat"
)

// wantUnit is the unit, with the lines that depend on the settings.
func wantUnit(before, environment string) string {
	return `# Written by "nat.sh --install"; "/usr/local/sbin/mock-ec2-metadata-nat --uninstall" removes it.
[Unit]
Description=Redirect 169.254.169.254 to the mock-ec2-metadata daemon
DefaultDependencies=no
RequiresMountsFor=/usr/local/sbin
After=nftables.service netfilter-persistent.service
` + before + `Before=cloud-init.service cloud-init-network.service
Before=shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
` + environment + `ExecStart=/usr/local/sbin/mock-ec2-metadata-nat --boot
ExecStop=/usr/local/sbin/mock-ec2-metadata-nat --remove

[Install]
WantedBy=multi-user.target
`
}

// wantInitd is the service of OpenRC, with the lines that depend on the settings.
func wantInitd(environment, order string) string {
	return `#!/sbin/openrc-run
# Written by "nat.sh --install"; "/usr/local/sbin/mock-ec2-metadata-nat --uninstall" removes it.

description="Redirect 169.254.169.254 to the mock-ec2-metadata daemon"
` + environment + `
depend() {
	after localmount firewall nftables iptables
` + order + `	before cloud-init
}

start() {
	ebegin "Redirecting 169.254.169.254 to the mock-ec2-metadata daemon"
	/usr/local/sbin/mock-ec2-metadata-nat --boot
	eend $?
}

stop() {
	ebegin "Taking away the redirect of 169.254.169.254"
	/usr/local/sbin/mock-ec2-metadata-nat --remove
	eend $?
}
`
}

// TestNAT_InstallsIntoAnImage installs into the root directory of an image, again with other settings, and uninstalls.
func TestNAT_InstallsIntoAnImage(t *testing.T) {
	script, err := os.ReadFile(natScript)
	if err != nil {
		t.Fatal(err)
	}
	systemd := []string{"usr/lib/systemd/systemd", "usr/sbin/nft"}
	const early = "Wants=network-pre.target\nBefore=cloud-init-local.service network-pre.target\n"
	unit := map[string]string{natProgram: string(script), "etc/systemd/system/multi-user.target.wants/mock-ec2-metadata-nat.service": "-> /" + natUnit}
	openrc := []string{"sbin/openrc-run", "sbin/iptables"}
	initd := map[string]string{natProgram: string(script), "etc/runlevels/boot/mock-ec2-metadata-nat": "-> /" + natInitd}

	for _, tt := range []struct {
		name  string
		shell []string
		image []string          // what the image has
		files map[string]string // that are installed besides file
		env   []string
		file  string
		want  string
		ports string // what is redirected besides
	}{
		{
			name: "systemd", shell: []string{"dash"}, image: systemd, files: unit,
			file: natUnit, want: wantUnit("", ""),
		},
		{
			name: "systemd, a name", shell: []string{"bash"}, image: systemd, files: unit,
			env:  []string{"METADATA_HOST=daemon.example", "METADATA_WAIT=30"},
			file: natUnit, want: wantUnit("", "Environment=METADATA_HOST=daemon.example\nEnvironment=METADATA_WAIT=30\n"),
		},
		{
			name: "systemd, an address", shell: []string{"busybox", "ash"}, image: systemd, files: unit,
			env:  []string{"METADATA_HOST=192.0.2.1", "METADATA_PORT=5001"},
			file: natUnit, want: wantUnit(early, "Environment=METADATA_HOST=192.0.2.1\nEnvironment=METADATA_PORT=5001\n"),
		},
		{
			name: "systemd, more services", shell: []string{"dash"}, image: systemd, files: unit,
			env:  []string{"METADATA_SERVICES=ecs,pod-identity"},
			file: natUnit, want: wantUnit("", "Environment=METADATA_SERVICES=ecs,pod-identity\n"),
			ports: ", 169.254.170.2:80, 169.254.170.23:80",
		},
		{
			name: "OpenRC", shell: []string{"busybox", "ash"}, image: openrc, files: initd,
			file: natInitd, want: wantInitd("", "\tuse net\n\tafter cloud-init-local\n"),
		},
		{
			name: "OpenRC, an address", shell: []string{"busybox", "ash"}, image: openrc, files: initd,
			env:  []string{"METADATA_HOST=192.0.2.1"},
			file: natInitd, want: wantInitd("export METADATA_HOST=192.0.2.1\n", "\tbefore cloud-init-local net\n"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := newImage(t, tt.image...)
			before := tree(t, root)
			b := natBox{t: t, box: newNamespace(t, "build"), path: systemPath, shell: tt.shell}
			inImage := []string{"NAT_ROOT=" + root}
			installed := "nat.sh: installed mock-ec2-metadata-nat in " + root + ": every boot of that image redirects 169.254.169.254:80"

			b.nat(append(inImage, "METADATA_HOST=198.51.100.9"), 0, installed+"\n", "", "--install")
			for range 2 { // the second time, nothing changes
				b.nat(append(inImage, tt.env...), 0, installed+tt.ports+"\n", "", "--install")
				want := map[string]string{tt.file: tt.want}
				maps.Copy(want, before)
				maps.Copy(want, tt.files)
				if diff := cmp.Diff(want, tree(t, root)); diff != "" {
					t.Errorf("the image (-want +got):\n%s", diff)
				}
			}
			if info, err := os.Stat(filepath.Join(root, natProgram)); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("the program: %v, %v", info.Mode(), err)
			}
			if rules := b.ruleset(); rules != "" {
				t.Errorf("it changed the machine that builds the image:\n%s", rules)
			}

			b.nat(inImage, 0, "nat.sh: uninstalled mock-ec2-metadata-nat from "+root+"\n", "", "--uninstall")
			b.nat(inImage, 0, "nat.sh: mock-ec2-metadata-nat is not installed in "+root+"\n", "", "--uninstall")
			if diff := cmp.Diff(before, tree(t, root)); diff != "" {
				t.Errorf("after --uninstall (-before +after):\n%s", diff)
			}
		})
	}
}

// TestNAT_RefusedInstallLeavesNoFile checks what --install says when it cannot work.
func TestNAT_RefusedInstallLeavesNoFile(t *testing.T) {
	const badHost = `nat.sh: METADATA_HOST is "VALUE", but must be an IPv4 address or a name that has one` + "\n"
	for _, tt := range []struct {
		name  string
		image []string
		env   string
		want  string
	}{
		{name: "no tool", image: []string{"usr/lib/systemd/systemd"}, env: "A=", want: neitherTool},
		{
			name: "neither systemd nor OpenRC", image: []string{"usr/sbin/nft"}, env: "A=",
			want: "nat.sh: there is neither systemd nor OpenRC; have this machine run nat.sh at every boot, before cloud-init, by other means\n",
		},
		{
			name: "no image", env: "NAT_ROOT=/nowhere",
			want: `nat.sh: NAT_ROOT is "/nowhere", but must be the root directory of an image` + "\n",
		},
		{name: "bad address", env: "METADATA_HOST=192.0.2.256", want: strings.ReplaceAll(badHost, "VALUE", "192.0.2.256")},
		{name: "bad name", env: "METADATA_HOST=a name", want: strings.ReplaceAll(badHost, "VALUE", "a name")},
		{
			name: "bad services", env: "METADATA_SERVICES=ecs eks",
			want: `nat.sh: METADATA_SERVICES is "ecs eks", but must be ecs, pod-identity or ecs,pod-identity` + "\n",
		},
		{
			name: "bad port", env: "METADATA_PORT=0",
			want: `nat.sh: METADATA_PORT is "0", but must be a port number from 1 to 65535` + "\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := newImage(t, tt.image...)
			before := tree(t, root)
			b := natBox{t: t, box: newNamespace(t, "build"), path: systemPath}
			b.nat([]string{"NAT_ROOT=" + root, tt.env}, 1, "", tt.want, "--install")
			if diff := cmp.Diff(before, tree(t, root)); diff != "" {
				t.Errorf("the image (-before +after):\n%s", diff)
			}
		})
	}
	t.Run("not a file", func(t *testing.T) {
		script, err := os.Open(natScript)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = script.Close() }()
		cmd := newNamespace(t, "build").command(t, []string{"NAT_ROOT=" + newImage(t, "usr/sbin/nft")}, "/bin/sh", "-s", "--", "--install")
		cmd.Stdin = script
		want := result{
			stderr: "nat.sh: --install copies this script, so it must be run from its file, for example: sh nat.sh --install\n", code: 1,
		}
		if diff := cmp.Diff(want, finish(t, cmd), cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// newImage makes a root directory with empty programs in it.
func newImage(t *testing.T, programs ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range programs {
		testutil.Write(t, filepath.Join(root, name), "")
	}
	return root
}

// tree is every file below root, with its content or the target of the link.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			files[name] = "-> " + target
			return err
		}
		content, err := os.ReadFile(path)
		files[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
