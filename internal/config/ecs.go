package config

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// ECS is what containers of ECS ask: credentials and task metadata (container-credentials-reference section 10.1).
type ECS struct {
	// Enabled opens Listen. The paths are at the addresses of server.listen, too, even without.
	Enabled bool `yaml:"enabled"`
	// Listen holds host:port addresses. Changing them takes a restart.
	Listen []string `yaml:"listen" is:"host and port" scalar:"true"`
	// Authorization is what clients must send in the header Authorization; "" is nothing. AuthorizationFile has it in a file, see
	// Loaded.Authorization.
	Authorization     Secret `yaml:"authorization" is:"authorization"`
	AuthorizationFile string `yaml:"authorization_file" is:"printable"`
	// ByPath serves the paths of amazon-ecs-local-container-endpoints.
	ByPath bool `yaml:"by_path"`
	// Rate is "off", or the requests of each client and path as N/BURST, N per second.
	Rate string  `yaml:"rate" is:"rate"`
	Task ECSTask `yaml:"task"`
	// Containers are the containers of the task by the endpoint id of their metadata, where no engine knows them.
	Containers map[string]ECSContainer `yaml:"containers" key:"endpoint id" most:"1000 containers; at most"`
}

// ECSTask is what task metadata says of every task.
type ECSTask struct {
	Cluster      string            `yaml:"cluster" is:"cluster name"`
	Family       string            `yaml:"family" is:"word"`
	Revision     string            `yaml:"revision" is:"word"`
	LaunchType   string            `yaml:"launch_type" oneof:"EC2, FARGATE"`
	ARN          string            `yaml:"arn" is:"task ARN"`
	ServiceName  string            `yaml:"service_name" is:"word"`
	Tags         map[string]string `yaml:"tags" is:"tag value" most:"50 tags; ECS takes at most"`
	InstanceTags map[string]string `yaml:"instance_tags" is:"tag value" most:"50 tags; ECS takes at most"`
}

// ECSContainer is a container of the task. All but Name is derived when left out.
type ECSContainer struct {
	Name     string            `yaml:"name" is:"word"`
	Image    string            `yaml:"image" is:"word"`
	DockerID string            `yaml:"docker_id" is:"word"`
	Labels   map[string]string `yaml:"labels" is:"printable"`
	// Role is a name of roles; "" for the file's own credentials, NoRole for none.
	Role string `yaml:"role" is:"role name"`
}

// noRate is the value of ecs.rate without a limit.
const noRate = "off"

// Limit returns the requests per second and the burst of ecs.rate; zeros without a limit.
func (e *ECS) Limit() (perSecond, burst int) {
	n, b, ok := strings.Cut(e.Rate, "/")
	if !ok {
		return 0, 0
	}
	perSecond, _ = strconv.Atoi(n)
	burst, _ = strconv.Atoi(b)
	return perSecond, burst
}

// requestRate is the rule for ecs.rate.
func requestRate(value string) string {
	n, burst, ok := strings.Cut(value, "/")
	if value == noRate || ok && isCount(n) && isCount(burst) {
		return ""
	}
	return quote(value) + " is neither off nor a rate; write e.g. 40/60 for 40 requests a second and 60 at once"
}

func isCount(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= math.MaxInt32 && strconv.Itoa(n) == text
}

// authorization is the rule for what clients must send. Its messages leave out the value, which is a secret.
func authorization(value string) string {
	switch {
	case strings.IndexFunc(value, unicode.IsControl) >= 0:
		return "holds a control character, such as the end of a line, which no client can send; write it in one line"
	case strings.TrimSpace(value) != value:
		return "starts or ends with a space, which HTTP takes away; remove it"
	case len(value) > maxAuthorization:
		return fmt.Sprintf("%d bytes; at most %d", len(value), maxAuthorization)
	}
	return ""
}

// maxAuthorization is less than what server.limits.header_bytes allows by default.
const maxAuthorization = 8192

// readAuthorization finds what clients must send: in ecs.authorization, or in the file of ecs.authorization_file, whose end of a line
// is no part of it.
func (l *loader) readAuthorization() {
	e := &l.config.ECS
	l.exclusive("ecs.authorization", authFile)
	l.authorization = e.Authorization
	if !l.usable(authFile) {
		return
	}
	if info, err := os.Stat(e.AuthorizationFile); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		l.wrong(authFile, "%s: not a regular file", oneLine(e.AuthorizationFile)) // reading it could block
		return
	}
	data, err := readFile(e.AuthorizationFile, maxAuthorization, fmt.Sprintf("more than %d bytes; no client sends that", maxAuthorization))
	if err != nil {
		l.wrong(authFile, "%v", err)
		return
	}
	value := bytes.TrimRight(data, "\r\n")
	switch wrong := authorization(string(value)); {
	case len(value) == 0:
		l.wrong(authFile, "%s: is empty; write what clients must send into it, or leave the key out", oneLine(e.AuthorizationFile))
		return
	case wrong != "":
		l.wrong(authFile, "%s: %s", oneLine(e.AuthorizationFile), wrong)
		return
	case len(value) < len(data):
		l.odd(authFile, "%s ends with the end of a line, which SDKs refuse in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; write it for them without one", oneLine(e.AuthorizationFile))
	}
	l.authorization = Secret(value)
}

// validateECS applies the rules that compare values of ecs.
func (l *loader) validateECS() {
	e := &l.config.ECS
	for _, id := range sortedKeys(e.Containers) {
		if path := join("ecs.containers", id); e.Containers[id].Name == "" && !l.scope.broken[path] {
			l.wrong(path, "has no name; set %s.name", path)
		}
	}
}

// validateByPath applies the rules of ecs that compare it with roles and clients.
func (l *loader) validateByPath() {
	e := &l.config.ECS
	for _, id := range sortedKeys(e.Containers) {
		if role := e.Containers[id].Role; role != "" && role != NoRole {
			l.checkRole(join("ecs.containers", id)+".role", role)
		}
	}
	isPicky := func(c Client) bool { return len(c.Also) > 0 }
	if e.ByPath && l.authorization == "" && !slices.ContainsFunc(l.config.Clients, isPicky) {
		l.wrong("ecs.by_path", "any client could take any role by its name; set ecs.authorization_file, or clients[].also for those that may")
	}
}

// containerAddresses are those that containers of ECS and pods of EKS have built in.
var containerAddresses = []string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"}

// isContainerAddress reports whether a listener is at one of them.
func isContainerAddress(listen string) bool {
	a, err := netip.ParseAddrPort(listen)
	return err == nil && slices.Contains(containerAddresses, a.Addr().String())
}
