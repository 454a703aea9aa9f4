package config

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// A rule returns what is wrong with a text, to follow "conf/config.yaml:9: key: ", or "".
type rule func(value string) string

// hexID matches the part of EC2's ids behind the hyphen: 8 hexadecimal digits until 2016, 17 since.
const hexID = `([0-9a-f]{8}|[0-9a-f]{17})`

// sessionName matches what STS accepts as RoleSessionName and SourceIdentity.
const sessionName = `[\w+=,.@-]{2,64}`

// keyName matches names of key pairs (EC2 API reference, CreateKeyPair), without "=" and "/", which the listing "0=name" and
// the path cannot represent.
const keyName = `[!-.0-<>-~]([ -.0-<>-~]{0,253}[!-.0-<>-~])?`

// rules are named by the tags of Config. "public address" and the "usual" rules are for warnings: a value that violates them
// works here, but EC2 would never have it.
var rules = map[string]rule{
	"printable": printable,
	"word":      word,
	"host name": wants("a host name; it has letters, digits and hyphens between dots", isHostName),
	"UTC time":  wants("a time in UTC; write e.g. 2025-01-31T12:00:00Z", isUTCTime),

	"role":              wholeRoleARN,
	"usual role":        matches(`[^:]*:[^:]*:[^:]*:[^:]*:[0-9]{12}:.*`, "in an account as AWS numbers them, with 12 digits"),
	"session name":      matches(sessionName, "a session name; it has 2 to 64 of letters, digits and _+=,.@-"),
	"external id":       externalID,
	"source identity":   matches(sessionName, "a source identity; it has 2 to 64 of letters, digits and _+=,.@-"),
	"session tag key":   tagText("key", 1, 128),
	"session tag value": tagText("value", 0, 256),
	"policy":            policy,
	"policy ARN":        arn(policyARN, "the ARN of a policy; write arn:aws:iam::aws:policy/NAME"),
	"MFA serial":        matches(`[\w+=/:,.@-]{9,256}`, "a serial number or ARN; it has 9 to 256 of letters, digits and _+=/:,.@-"),

	"account":       matches(`[0-9]+`, "an account id; it has digits only"),
	"usual account": matches(`[0-9]{12}`, "an account id as AWS gives them, of 12 digits"),
	"region":        matches(`[a-z]{2,}(-[a-z]+)+-[0-9]+`, "a region; write e.g. us-east-1"),
	"zone": matches(`[a-z]{2,}(-[a-z]+)+-[0-9]+([a-z]|(-[a-z]+)+-[0-9]+[a-z]|-wl[0-9]+(-[a-z]+)+-[0-9]+)`,
		"an availability zone; write e.g. us-east-1a"),
	"zone id":   matches(`[a-z]+[0-9]+(-[a-z]+[0-9]*)*-(az|wlz)[0-9]+`, "the id of an availability zone; write e.g. use1-az1"),
	"partition": matches(`aws(-[a-z]+)*`, "a partition; write e.g. aws or aws-cn"),

	"instance id":         matches(sessionName, "usable as an instance id; it has 2 to 64 of letters, digits and _+=,.@-"),
	"usual instance id":   matches(`i-`+hexID, "an instance id as EC2 gives them, i- and 17 hexadecimal digits"),
	"usual image id":      matches(`ami-`+hexID, "an image id as EC2 gives them, ami- and 17 hexadecimal digits"),
	"usual instance type": matches(`[a-z][a-z0-9-]*\.[a-z0-9-]+`, "an instance type as EC2 names them, e.g. t3.nano"),
	"usual architecture":  oneOf("i386, x86_64, arm64, x86_64_mac, arm64_mac"),
	"key pair name":       matches(keyName, "a key pair's name; it has up to 255 ASCII characters, without / and ="),
	"public key":          func(value string) string { return publicKey(strings.TrimSpace(value)) },
	"block device":        matches(`ami|root|swap|ebs[1-9][0-9]*|ephemeral(0|[1-9][0-9]*)`, "a block device; the names are ami, root, swap, ebsN and ephemeralN"),
	"device":              device,
	"tag value":           tagValue,
	"user data":           userData,
	"user data in base64": userDataBase64,

	"IPv4":           wants("an IPv4 address", isIPv4),
	"IPv6":           wants("an IPv6 address", isIPv6),
	"MAC":            mac,
	"usual address":  instanceAddress,
	"public address": publicAddress,
	"IPv4 network":   network(32, " is not an IPv4 CIDR block"),
	"IPv6 network":   network(128, " is not an IPv6 CIDR block"),
	"usual size":     usualSize,

	"authorization":   authorization,
	"rate":            requestRate,
	"task ARN":        matches(`arn:aws(-[a-z]+)*:ecs:[a-z0-9-]+:[0-9]{12}:task/[A-Za-z0-9_-]{1,255}/[A-Za-z0-9_-]{1,64}`, "the ARN of a task; write arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID"),
	"endpoint id":     matches(`[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`, "an endpoint id; it has up to 128 of letters, digits and _.-, and is the end of the container's ECS_CONTAINER_METADATA_URI_V4"),
	"cluster name":    matches(`[0-9A-Za-z][0-9A-Za-z_-]{0,99}`, "the name of a cluster; it has 1 to 100 of letters, digits and _-"),
	"cluster ARN":     matches(`arn:aws(-[a-z]+)*:eks:[a-z0-9-]+:[0-9]{12}:cluster/[0-9A-Za-z][0-9A-Za-z_-]{0,99}`, "the ARN of a cluster; write arn:aws:eks:REGION:ACCOUNT:cluster/NAME"),
	"Kubernetes name": matches(`[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?`, "a name in Kubernetes; it has lower-case letters, digits, - and ."),
	"JWKS":            jwksPlace,

	"base role ARN":     matches(`arn:[a-z][a-z0-9-]*:iam::[0-9]+:role/([!-.0-~]+/)*`, "the beginning of a role's ARN; write arn:aws:iam::ACCOUNT:role/ or arn:aws:iam::ACCOUNT:role/PATH/"),
	"annotation":        matches(`([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?`, "the name of an annotation; write e.g. iam.amazonaws.com/role"),
	"service account":   matches(namespaceName+`/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?`, "a service account; write NAMESPACE/NAME, such as shop/checkout"),
	"namespace pattern": namespacePattern,
	"pod role":          podRole,
	"role pattern":      rolePattern,
	"session template":  template("session name", SessionNameText, "letters, digits and _+=,.@-"),
	"tag template":      template("tag", TagValueText, "letters, digits, spaces and _.:/=+-@"),

	"client network":  clientNetwork,
	"engine":          engineURL,
	"role source":     roleSource,
	"role name":       roleName,
	"host and port":   hostPort,
	"client":          client,
	"origin":          wants("the origin of a web page; write e.g. http://localhost:3000", isOrigin),
	"control socket":  controlSocket,
	"control address": controlAddress,
	"console address": consoleAddress,
	"metrics address": metricsAddress,
	"user":            matches(`[A-Za-z0-9_][A-Za-z0-9_.-]*`, "a user's name or number"),

	"simulation id":         simulationID,
	"time":                  wants("a time; write e.g. 2026-12-01T02:00:00Z", isTime),
	"true or duration":      trueOrDuration,
	"usual maintenance id":  matches(`instance-event-[0-9a-f]{17}`, "an event id as EC2 gives them, instance-event- and 17 hexadecimal digits"),
	"usual lifecycle state": oneOf(lifecycleStates),
	"address or prefix":     addressOrPrefix,
	"address or release":    wants("an IPv4 address or release", func(value string) bool { return value == "release" || isIPv4(value) }),
	"event path":            func(value string) string { return eventPath(value, false) },
	"removed event path":    func(value string) string { return eventPath(value, true) },
	"metadata tag":          wants("a tag key that instance metadata can hold; it has up to 128 of letters, digits and +=.,_:@-", isMetadataTag),
	"path pattern":          pathPattern,
	"event client":          eventClient,
	"method":                matches(`[A-Z]{1,20}`, "a method in capital letters; write e.g. GET or PUT"),
}

// check applies the rule of a name. It returns "" if there is none.
func check(name, text string) string {
	if r, ok := rules[name]; ok {
		return r(text)
	}
	return ""
}

// wants returns the rule that a value is something.
func wants(what string, is func(value string) bool) rule {
	return func(value string) string {
		if is(value) {
			return ""
		}
		return quote(value) + " is not " + what
	}
}

// matches returns the rule that the whole value matches an expression.
func matches(expression, what string) rule {
	re := once(`^(?:` + expression + `)$`)
	return wants(what, func(value string) bool { return re().MatchString(value) })
}

// holdsNo returns the rule that a value has no bad character.
func holdsNo(what string, bad func(r rune) bool) rule {
	return func(value string) string {
		if strings.IndexFunc(value, bad) < 0 {
			return ""
		}
		return quote(value) + " holds " + what
	}
}

// once compiles an expression when it is first used. Few configurations need many, and compiling all of them would dominate
// the time that the daemon takes to start.
func once(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// oneOf returns the rule that a value is one of several words, such as "a, b".
func oneOf(words string) rule {
	return wants("one of "+words, func(value string) bool { return slices.Contains(strings.Split(words, ", "), value) })
}

// outside returns what is wrong with a number that must be from "1 to 64", or from "0" without an upper limit.
func outside(n int, from string) string {
	least, most := math.MinInt, math.MaxInt
	count, _ := fmt.Sscanf(from, "%d to %d", &least, &most)
	switch {
	case n >= least && n <= most:
		return ""
	case count == 1:
		return fmt.Sprintf("%d is less than %d", n, least)
	default:
		return fmt.Sprintf("%d is not from %s", n, from)
	}
}

// roleARN captures the account. The path of a role is printable ASCII between slashes, its name 1 to 64 characters (IAM API
// reference, CreateRole).
var roleARN = once(`^arn:[a-z][a-z0-9-]*:iam::([0-9]+):role/(?:[!-.0-~]+/)*[\w+=,.@-]{1,64}$`)

var wholeRoleARN = arn(roleARN, "the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME")

// policyARN matches AWS's managed policies, which have "aws" for the account, and those of an account.
var policyARN = once(`^arn:[a-z][a-z0-9-]*:iam::(?:aws|[0-9]+):policy/[!-~]+$`)

// arn returns the rule that a value is an ARN of a kind, of a length that STS accepts.
func arn(kind func() *regexp.Regexp, what string) rule {
	is := wants(what, func(value string) bool { return kind().MatchString(value) })
	return func(value string) string {
		if wrong := is(value); wrong != "" || len(value) >= 20 && len(value) <= 2048 {
			return wrong
		}
		return fmt.Sprintf("%d characters; an ARN has 20 to 2048", len(value))
	}
}

var printable = holdsNo("a control character", unicode.IsControl)

var word = holdsNo("a space or a control character", func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })

// device is the rule for names of block devices: /dev/xvda or sdb.
func device(value string) string {
	if value == "" {
		return "no device; write e.g. /dev/xvda"
	}
	return word(value)
}

// mac is the rule for the hardware address of one interface, as EC2 writes it.
func mac(value string) string {
	if wrong := anyMAC(value); wrong != "" {
		return wrong
	}
	if strings.ContainsRune("13579bdf", rune(value[1])) {
		return quote(value) + " is a multicast address; its first byte has to be even"
	}
	return ""
}

var anyMAC = matches(`[0-9a-f]{2}(:[0-9a-f]{2}){5}`, "a MAC address in lower case; write e.g. 0a:1b:2c:3d:4e:5f")

const dnsLabel = `[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?`

var dnsName = once(`^` + dnsLabel + `(?:\.` + dnsLabel + `)*$`)

// isHostName reports whether a value is a DNS name (RFC 1123 section 2.1), of one label or more.
func isHostName(value string) bool { return len(value) <= 253 && dnsName().MatchString(value) }

// isUTCTime reports whether a value is a time as EC2 writes it: RFC 3339, in UTC.
func isUTCTime(value string) bool {
	t, err := time.Parse(time.RFC3339, value)
	return err == nil && strings.HasSuffix(value, "Z") && t.Year() > 0
}

// isOrigin reports whether a value is what browsers send as Origin (RFC 6454 section 6.2).
func isOrigin(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && value == u.Scheme+"://"+u.Host
}

func isIPv4(value string) bool {
	a, err := netip.ParseAddr(value)
	return err == nil && a.Is4()
}

func isIPv6(value string) bool {
	a, err := netip.ParseAddr(value)
	return err == nil && a.Is6() && !a.Is4In6() && a.Zone() == ""
}

// network returns the rule for CIDR blocks of IPv4 (32 bits), IPv6 (128) or either (0). wrong is the message for other texts.
func network(bits int, wrong string) rule {
	return func(value string) string {
		p, err := netip.ParsePrefix(value)
		switch a, addrErr := netip.ParseAddr(value); {
		case addrErr == nil && a.Zone() == "" && (bits == 0 || a.BitLen() == bits):
			return fmt.Sprintf("%s is not a CIDR block; write %s/%d", quote(value), value, a.BitLen())
		case err != nil || bits != 0 && p.Addr().BitLen() != bits:
			return quote(value) + wrong
		case p != p.Masked():
			return fmt.Sprintf("%s has bits set behind the prefix; write %s", quote(value), p.Masked())
		}
		return ""
	}
}

// client is the rule for one element of allow_clients. validateServer requires that auto is the only one.
func client(value string) string {
	if value == "auto" {
		return ""
	}
	return network(0, " is neither auto nor a CIDR block")(value)
}

// hostPort is the rule for addresses to listen on. An empty host means all interfaces, port 0 any free port.
func hostPort(value string) string {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return quote(value) + " is not host:port; write e.g. " + DefaultListen
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return quote(value) + " has no port from 0 to 65535"
	}
	if _, err := netip.ParseAddr(host); host == "" || err == nil || isHostName(host) {
		return ""
	}
	return quote(value) + " has neither an address nor a host name before the port"
}

// policy is the rule for AssumeRole's Policy. STS checks its content.
func policy(value string) string {
	switch {
	case utf8.RuneCountInString(value) > 2048:
		return fmt.Sprintf("%d characters; STS takes at most 2048", utf8.RuneCountInString(value))
	case !json.Valid([]byte(value)):
		return "not valid JSON"
	}
	return ""
}

// externalID is the rule for external ids. Its message omits the value, which is a secret.
func externalID(value string) string {
	if len(value) < 2 || len(value) > 1224 || !externalIDs().MatchString(value) {
		return "not an external id; it has 2 to 1224 of letters, digits and _+=,.@:/-"
	}
	return ""
}

var externalIDs = once(`^[\w+=,.@:/-]*$`)

var metadataTags = once(`^[A-Za-z0-9+=.,_:@-]{1,128}$`)

// isMetadataTag is EC2's rule for the keys of tags in instance metadata (EC2 user guide, "View tags for your EC2 instances using
// instance metadata").
func isMetadataTag(key string) bool {
	return metadataTags().MatchString(key) && key != "." && key != ".." && key != "_index"
}

// metadataTag is the rule for keys of ec2.tags that instance metadata shows.
func metadataTag(key string) string {
	switch n := utf8.RuneCountInString(key); {
	case n > 128:
		return fmt.Sprintf("the tag's key has %d characters; EC2 takes at most 128", n)
	case !isMetadataTag(key):
		return "not a tag key that instance metadata can hold; it has letters, digits and +=.,_:@-, or set ec2.metadata_options.instance_metadata_tags to disabled"
	}
	return ""
}

// tagValue is the rule for values of an instance's tags, in characters (EC2 user guide, "Tag restrictions").
func tagValue(value string) string {
	if n := utf8.RuneCountInString(value); n > 256 {
		return fmt.Sprintf("the tag's value has %d characters; EC2 takes at most 256", n)
	}
	return ""
}

// publicKey is the rule for OpenSSH's line of a public key. Its data starts with a length below 256, which is AAAA in base64.
var publicKey = matches(`(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) +AAAA[A-Za-z0-9+/]*={0,2}( [^\n\r]*)?`,
	"a public key of OpenSSH; write one line such as ssh-ed25519 AAAA... comment")

// tagText returns STS's rule for session tags. The length is in characters.
func tagText(what string, least, most int) rule {
	class := matches(`[\p{L}\p{Z}\p{N}_.:/=+\-@]*`, "a tag "+what+"; it has letters, digits, spaces and _.:/=+-@")
	return func(value string) string {
		switch n := utf8.RuneCountInString(value); {
		case n < least:
			return fmt.Sprintf("the tag's %s has %d characters; AWS takes at least %d", what, n, least)
		case n > most:
			return fmt.Sprintf("the tag's %s has %d characters; AWS takes at most %d", what, n, most)
		}
		return class(value)
	}
}

// instanceAddress is the rule for addresses that an instance can have.
func instanceAddress(value string) string {
	a, err := netip.ParseAddr(value)
	switch {
	case err != nil:
		return ""
	case a.IsLoopback():
		return value + " is a loopback address; an instance has one of its VPC, e.g. 10.0.0.10"
	case a.IsUnspecified():
		return value + " is no instance's address; an instance has one of its VPC, e.g. 10.0.0.10"
	case a.IsMulticast():
		return value + " is a multicast address; an instance has one of its VPC, e.g. 10.0.0.10"
	}
	return ""
}

// publicAddress is the rule for addresses that the Internet can reach.
func publicAddress(value string) string {
	if a, err := netip.ParseAddr(value); err == nil && (a.IsPrivate() || !a.IsGlobalUnicast()) {
		return value + " is not a public address"
	}
	return ""
}

// usualSize is the rule for sizes of networks in AWS (VPC user guide, "Subnet sizing").
func usualSize(value string) string {
	if p, err := netip.ParsePrefix(value); err == nil && (p.Bits() < 16 || p.Bits() > 28) {
		return value + " is not of a size that AWS makes, /16 to /28"
	}
	return ""
}
