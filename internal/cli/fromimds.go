package cli

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mock-ec2-metadata/internal/importer"
)

// ec2Service is where EC2 has its metadata service.
const ec2Service = "http://169.254.169.254/"

// crawlLimits bound what a service can make an import do.
type crawlLimits struct {
	leaves int           // values of the service
	bytes  int64         // of each
	depth  int           // of directories
	time   time.Duration // in all
	pause  time.Duration // between two requests
	retry  time.Duration // before a request is sent again, once more for each try
}

// usualCrawl asks at most 20 times a second. An instance with one interface has about 60 values.
func usualCrawl() crawlLimits {
	return crawlLimits{leaves: 2000, bytes: 16 << 10, depth: 12, time: 40 * time.Second, pause: 50 * time.Millisecond, retry: 250 * time.Millisecond}
}

// imdsCrawler reads a metadata service, one request at a time.
type imdsCrawler struct {
	imds     *imdsClient
	limits   crawlLimits
	userData bool
	found    importer.Service
	listed   map[string]bool // paths of listings, directories with a slash
	read     map[string]bool // directories whose listings were read
	asked    int             // paths that were asked for, but for the listings
}

// serviceURL checks the URL of a service. force allows hosts outside of this machine's networks.
func serviceURL(text string, force bool) (*url.URL, error) {
	u, err := url.Parse(text)
	shown := text
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		shown = "…" + text[at:] // before it may be a password
	}
	switch {
	case err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("%q is not the URL of a metadata service; write it like %s", shown, ec2Service)
	case force || strings.EqualFold(u.Hostname(), "localhost"):
		return u, nil
	}
	a, err := netip.ParseAddr(u.Hostname())
	if a = a.Unmap(); err != nil || !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsPrivate() {
		return nil, fmt.Errorf("%s is not an address of this machine or of a private network; to ask it all the same, add --force", u.Hostname())
	}
	return u, nil
}

// crawl reads all of a service but what an import never writes.
func crawl(ctx context.Context, base *url.URL, limits crawlLimits, userData bool, dial dialFunc) (*imdsCrawler, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limits.time, fmt.Errorf("%s: has not answered everything within %s; try again later", base.Host, limits.time))
	defer cancel()
	c := &imdsCrawler{
		imds: newIMDSClient(base, limits, dial), limits: limits, userData: userData, listed: map[string]bool{}, read: map[string]bool{},
		found: importer.Service{Leaves: map[string]string{}, KeyNames: map[int]string{}, Lost: map[string]string{}},
	}
	err := c.all(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *imdsCrawler) all(ctx context.Context) error {
	if err := c.imds.newToken(ctx); err != nil {
		return err
	}
	if found, err := c.directory(ctx, "meta-data/", 0); err != nil || !found {
		return errOr(err, "%s: has no meta-data/; it is no metadata service of EC2", c.imds.base.Host)
	}
	if _, err := c.directory(ctx, "dynamic/", 0); err != nil {
		return err
	}
	const unlisted = "dynamic/fws/instance-monitoring" // EC2 has it, and no listing says so
	if !c.listed["dynamic/fws/"] {
		if err := c.leaf(ctx, unlisted, true); err != nil {
			return err
		}
	}
	if !c.userData {
		return nil
	}
	data, found, err := c.imds.get(ctx, "user-data")
	if found {
		c.found.UserData = data
	}
	return err
}

func errOr(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf(format, args...)
}

// directory reads a listing, and all that it lists. It reports whether there is one.
func (c *imdsCrawler) directory(ctx context.Context, path string, depth int) (found bool, err error) {
	if depth > c.limits.depth {
		return false, fmt.Errorf("%s: %s is deeper than %d directories; it is no metadata service of EC2", c.imds.base.Host, path, c.limits.depth)
	}
	if err := c.count(); err != nil {
		return false, err
	}
	listing, found, err := c.imds.get(ctx, path)
	if err != nil || !found {
		return false, err
	}
	c.read[path] = true
	var entries []string
	for line := range strings.Lines(string(listing)) {
		if line = strings.TrimSuffix(strings.TrimRight(line, "\n"), "\r"); line != "" {
			entries = append(entries, line)
		}
	}
	switch {
	case len(entries) > c.limits.leaves:
		return false, c.tooMany()
	case path == "meta-data/" && !slices.ContainsFunc(entries, isEC2Name):
		return false, fmt.Errorf("%s: meta-data/ lists nothing that EC2 has; it is no metadata service of EC2", c.imds.base.Host)
	}
	for _, line := range entries {
		if err := c.entry(ctx, path, line, depth); err != nil {
			return false, err
		}
	}
	return true, nil
}

// isEC2Name reports whether an entry of meta-data/ is one that each instance has, or most mocks. A login page that answers each request has
// none of them.
func isEC2Name(entry string) bool {
	switch strings.TrimSuffix(entry, "/") {
	case "ami-id", "ami-launch-index", "hostname", "iam", "instance-action", "instance-id", "instance-type", "local-hostname", "local-ipv4", "mac",
		"network", "placement", "public-hostname", "public-ipv4", "public-keys", "reservation-id", "security-groups", "services", "tags":
		return true
	}
	return false
}

// isName reports whether an entry of a listing is a name that can stand in a path as it is.
func isName(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return len(name) <= 256 && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`?#%\`, r) })
}

// entry reads one entry of a listing.
func (c *imdsCrawler) entry(ctx context.Context, dir, line string, depth int) error {
	name := strings.TrimSuffix(line, "/")
	if number, key, ok := strings.Cut(name, "="); ok && dir == "meta-data/public-keys/" {
		if n, err := strconv.Atoi(number); err == nil && n >= 0 {
			c.found.KeyNames[n] = key
			name, line = number+"/openssh-key", number+"/openssh-key"
		}
	}
	if !isName(name) {
		return fmt.Errorf("%s: %s lists %q, which is no name; it is no metadata service of EC2", c.imds.base.Host, dir, name)
	}
	path := dir + line
	if c.listed[path] {
		return nil
	}
	c.listed[path] = true
	switch {
	case path == "meta-data/iam/security-credentials/" || path == "meta-data/iam/security-credentials":
		return c.role(ctx)
	case !importer.Wanted(path):
		return nil
	case !strings.HasSuffix(path, "/"):
		return c.leaf(ctx, path, false)
	}
	found, err := c.directory(ctx, path, depth+1)
	if err == nil && !found {
		c.found.Lost[path] = "listed, but not there"
	}
	return err
}

// role reads the listing of roles, and nothing in it.
func (c *imdsCrawler) role(ctx context.Context) error {
	listing, _, err := c.imds.get(ctx, "meta-data/iam/security-credentials/")
	first, _, _ := strings.Cut(strings.TrimSpace(string(listing)), "\n")
	c.found.Role = strings.TrimSpace(first)
	return err
}

// leaf reads one value.
func (c *imdsCrawler) leaf(ctx context.Context, path string, optional bool) error {
	if err := c.count(); err != nil {
		return err
	}
	value, found, err := c.imds.get(ctx, path)
	switch {
	case err != nil:
		return err
	case found && utf8.Valid(value):
		c.found.Leaves[path] = string(value)
	case found:
		c.found.Lost[path] = "not UTF-8 text"
	case !optional && !strings.HasPrefix(path, "meta-data/spot/"):
		c.found.Lost[path] = "listed, but not there"
	}
	return nil
}

// count counts a request for a value or a listing.
func (c *imdsCrawler) count() error {
	if c.asked++; c.asked > c.limits.leaves {
		return c.tooMany()
	}
	return nil
}

func (c *imdsCrawler) tooMany() error {
	return fmt.Errorf("%s: more than %d values; it is no metadata service of EC2", c.imds.base.Host, c.limits.leaves)
}

// dialFunc opens connections.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)
