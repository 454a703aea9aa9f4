package console

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// writePictures is set by make console-pictures.
var writePictures = flag.Bool("pictures", false, "write the pictures of the documentation, and what they show")

// pictureFolder is below the repository's docs. Beside NAME.png, NAME.txt is the outline of the page that it was taken of.
const pictureFolder = "../../docs/picture"

// maxPicture is the size of a picture in bytes.
const maxPicture = 150_000

// latest is the sixth and last of the latest requests of the overview.
const latest = "main > section:last-child tbody tr:nth-child(6)"

// pictures are taken of one made-up scene. All sizes are in CSS pixels; a picture has two of its own for each.
var pictures = [...]struct {
	name, route   string
	scheme        string
	width, height int64
	// ready is what must be there. click is clicked first, and then ready waited for.
	click, ready string
}{
	{name: "console-overview", route: "overview", scheme: "light", width: 1200, height: 1000, ready: latest},
	{name: "console-overview-dark", route: "overview", scheme: "dark", width: 1200, height: 1000, ready: latest},
	{name: "console-overview-narrow", route: "overview", scheme: "light", width: 390, height: 844, ready: latest},
	{name: "console-requests", route: "requests", scheme: "light", width: 1200, height: 560, ready: ".journal tbody tr:nth-child(12)"},
	{name: "console-why", route: "requests?show=refused", scheme: "light", width: 1200, height: 640, click: ".journal button.row", ready: "dialog .rules ol"},
	{name: "console-tree", route: "tree?path=%2Flatest%2Fdynamic%2Finstance-identity%2Fdocument&client=" + container, scheme: "light", width: 1200, height: 700, ready: "section.value pre"},
	{name: "console-events", route: "events", scheme: "dark", width: 1200, height: 900, ready: "section[aria-label=Faults] .card"},
	{name: "console-identity", route: "identity", scheme: "light", width: 1200, height: 940},
	{name: "console-connect", route: "connect?for=compose", scheme: "light", width: 1200, height: 520},
	{name: "console-settings", route: "settings", scheme: "dark", width: 1200, height: 700},
}

// shop is the scene: a shop's developer, with a container and a virtual machine. All names are invented.
func shop(t *testing.T) *daemon {
	t.Helper()
	others(t)
	w := world{
		profile: "shop-dev", tag: "checkout", userData: "#!/bin/sh\nexport STAGE=dev\n", ec2: "  life_cycle: spot\n",
		server: "  allow_hosts: [metadata.shop.example]\n", more: "metadata:\n  meta-data/shop/stage: dev\n",
	}
	if *writePictures {
		w.listen = "127.0.0.1:5000" // as in all of the documentation
	}
	d := start(t, w)
	d.credentials("127.0.0.1", "dev-role")
	for _, path := range []string{"iam/security-credentials/", "iam/security-credentials/dev-role", "placement/region", "spot/instance-action"} {
		d.v2(container, "/latest/meta-data/"+path)
	}
	d.imds(container, "", "/latest/dynamic/instance-identity/document")
	d.command("event", "spot", "terminate", "--id", "reclaim", "--notice", "8m", "--rebalance", "1h")
	d.command("fault", "preset", "slow")
	d.credentials(webClient, "web")
	d.imds("127.0.0.1", "evil.example", "/latest/meta-data/")
	d.imds(stranger, "", "/latest/meta-data/iam/security-credentials/")
	d.v2(container, "/latest/meta-data/events/recommendations/rebalance")
	return d
}

// TestPictures_ShowThePageAsItIs fails when the page has another structure than its pictures in the documentation show.
func TestPictures_ShowThePageAsItIs(t *testing.T) {
	if *writePictures {
		if err := os.MkdirAll(pictureFolder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d := shop(t)
	b := open(t)
	b.run(emulation.SetScrollbarsHidden(true))
	b.visit(d.login())
	for _, p := range pictures {
		b.look(p.scheme, p.width, p.height)
		b.view("overview")
		b.view(p.route)
		if p.click != "" {
			b.click(p.click)
		}
		if p.ready != "" {
			b.until("document.querySelector(" + quote(p.ready) + ") !== null")
		}
		got := outline(b.accessible())
		file := filepath.Join(pictureFolder, p.name)
		if *writePictures {
			b.picture(file+".png", p.width, p.height)
			if err := os.WriteFile(file+".txt", []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file + ".txt"); err != nil || string(want) != got {
			t.Errorf("%s.png shows another page than there is: %s; look at the page, then make console-pictures", p.name, difference(string(want), got))
		}
		checkPicture(t, file+".png", int(2*p.width), int(2*p.height))
		if p.click != "" {
			b.keys("Escape")
			b.until("document.querySelector('dialog[open]') === null")
		}
	}
	found, err := filepath.Glob(pictureFolder + "/console-*.png")
	if err != nil || len(found) != len(pictures) {
		t.Errorf("%d pictures in %s, not %d: %v", len(found), pictureFolder, len(pictures), err)
	}
}

// picture takes a picture of what the window shows.
func (b *tab) picture(file string, width, height int64) {
	b.t.Helper()
	var taken []byte
	b.run(emulation.SetDeviceMetricsOverride(width, height, 2, false), chromedp.CaptureScreenshot(&taken), chromedp.EmulateViewport(width, height))
	img, err := png.Decode(bytes.NewReader(taken))
	if err != nil {
		b.t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewColours(img)); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, small.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// fewColours is a picture with the 256 colours that it has most of. The others are edges of letters: they get the nearest.
func fewColours(img image.Image) *image.Paletted {
	counts := map[color.Color]int{}
	area := img.Bounds()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			counts[img.At(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	palette := color.Palette(all[:min(len(all), 256)])
	near := map[color.Color]uint8{}
	for _, c := range all {
		near[c] = uint8(palette.Index(c))
	}
	few := image.NewPaletted(area, palette)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			few.SetColorIndex(x, y, near[img.At(x, y)])
		}
	}
	return few
}

func checkPicture(t *testing.T, file string, width, height int) {
	t.Helper()
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is missing; run make console-pictures", file)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || c.Width != width || c.Height != height || len(data) >= maxPicture {
		t.Errorf("%s: %d times %d pixels, %d bytes, %v; want %d times %d and less than %d bytes", file, c.Width, c.Height, len(data), err, width, height, maxPicture)
	}
}

// structural are the roles that a picture shows. Texts are not among them, nor the keys of the configuration that Settings lists.
const structural = " banner navigation main region status heading button link textbox searchbox combobox checkbox radio spinbutton tab tabpanel table columnheader image dialog listitem list "

// changing is what is another at each run: figures, times, lengths of time, keys.
var changing = regexp.MustCompile(`…[A-Z0-9]{4}|\b[0-9a-f]{16,}\b|\d[\d.,:]*( (s|min|h|d|ms|B|kB|MB)\b)?( \d+ (s|min|h)\b)?`)

// outline lists roles and names, a line each, without what changes. Of lines that are the same one after the other it has one.
func outline(nodes []node) string {
	var b strings.Builder
	last := ""
	for _, n := range nodes {
		if !strings.Contains(structural, " "+n.Role.Value+" ") {
			continue
		}
		line := strings.TrimSpace(n.Role.Value + " " + changing.ReplaceAllString(n.Name.Value, "#"))
		if line != last {
			b.WriteString(line + "\n")
		}
		last = line
	}
	return b.String()
}

// difference is the first line that differs.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d is %q, was %q", i+1, b, a)
		}
	}
	return "no difference"
}
