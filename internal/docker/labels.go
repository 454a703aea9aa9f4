package docker

import (
	"net/url"
	"strings"
	"unicode"
)

// Labels in which Compose and podman-compose name a container's project and service. The first that has a name counts.
var (
	projectLabels = [...]string{"com.docker.compose.project", "io.podman.compose.project"}
	serviceLabels = [...]string{"com.docker.compose.service", "io.podman.compose.service"}
)

// Variables in which a container finds its own task metadata. The first that has an id counts.
var endpointVariables = [...]string{"ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI"}

// maxName is the length of the longest name of a project or an endpoint that is looked at, in bytes.
const maxName = 128

// chooseName is the first name in labels; "" if none has one.
func chooseName(labels map[string]string, names [2]string) string {
	for _, name := range names {
		if value := labels[name]; isName(value) {
			return value
		}
	}
	return ""
}

// chooseEndpoint is the last segment of the URL in a container's variables; "" without one. Nothing else of them is kept:
// they hold secrets.
func chooseEndpoint(env []string) string {
	for _, name := range endpointVariables {
		value := variable(env, name)
		if len(value) > maxRole {
			continue
		}
		// A RawPath means escapes, such as of a slash.
		u, err := url.Parse(value)
		if err != nil || u.Scheme == "" || u.Host == "" || u.RawPath != "" {
			continue
		}
		if segment := u.Path[strings.LastIndexByte(u.Path, '/')+1:]; isName(segment) {
			return strings.Clone(segment) // the variable itself must not stay in memory
		}
	}
	return ""
}

// isName refuses what is empty, too long or has characters that are not printable.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
