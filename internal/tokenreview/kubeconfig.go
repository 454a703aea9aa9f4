package tokenreview

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxConfigSize bounds a kubeconfig, in bytes.
const maxConfigSize = 4 << 20

// kubeconfig is the part of a kubeconfig that is read. kubectl ignores unknown keys, too.
type kubeconfig struct {
	CurrentContext string         `yaml:"current-context"`
	Clusters       []namedCluster `yaml:"clusters"`
	Contexts       []namedContext `yaml:"contexts"`
	Users          []namedUser    `yaml:"users"`
}

type (
	namedCluster struct {
		Name    string  `yaml:"name"`
		Cluster cluster `yaml:"cluster"`
	}
	namedContext struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	}
	namedUser struct {
		Name string `yaml:"name"`
		User user   `yaml:"user"`
	}
)

// cluster says where an API server is. Data is base64.
type cluster struct {
	Server        string `yaml:"server"`
	CAFile        string `yaml:"certificate-authority"`
	CAData        string `yaml:"certificate-authority-data"`
	Insecure      bool   `yaml:"insecure-skip-tls-verify"`
	TLSServerName string `yaml:"tls-server-name"`
	ProxyURL      string `yaml:"proxy-url"`
}

// user says who asks. Data is base64.
type user struct {
	CertFile  string `yaml:"client-certificate"`
	CertData  string `yaml:"client-certificate-data"`
	KeyFile   string `yaml:"client-key"`
	KeyData   string `yaml:"client-key-data"`
	Token     string `yaml:"token"`
	TokenFile string `yaml:"tokenFile"`

	// These are not supported: any value is an error.
	Username     string    `yaml:"username"`
	Impersonate  string    `yaml:"as"`
	Exec         yaml.Node `yaml:"exec"`
	AuthProvider yaml.Node `yaml:"auth-provider"`
}

// readKubeconfigs reads files and merges them as kubectl does: for each name the first file that has it counts, and the first
// current-context. It skips files that do not exist, unless all are missing.
func readKubeconfigs(files []string) (*kubeconfig, error) {
	merged, found := &kubeconfig{}, false
	for _, file := range files {
		text, err := readBounded(file, maxConfigSize)
		if errors.Is(err, fs.ErrNotExist) && len(files) > 1 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("kubeconfig %s: cannot be read: %w; set pod_identity.kubeconfig to a file that the daemon's user can read", file, reason(err))
		}
		found = true
		c, err := parseKubeconfig(text)
		if err != nil {
			return nil, fmt.Errorf("kubeconfig %s: %w", file, err)
		}
		c.resolve(filepath.Dir(file))
		merged.add(c)
	}
	if !found {
		return nil, fmt.Errorf("kubeconfig %s: none of the files exists; correct KUBECONFIG, or set pod_identity.kubeconfig", strings.Join(files, ", "))
	}
	return merged, nil
}

func parseKubeconfig(text []byte) (*kubeconfig, error) {
	c := &kubeconfig{}
	if err := yaml.Unmarshal(text, c); err != nil {
		return nil, errors.New("not a kubeconfig in YAML; check it: kubectl config view") // the error could quote a token
	}
	return c, nil
}

// resolve makes the paths absolute: they are relative to the folder of their kubeconfig.
func (c *kubeconfig) resolve(dir string) {
	for i := range c.Clusters {
		resolve(dir, &c.Clusters[i].Cluster.CAFile)
	}
	for i := range c.Users {
		u := &c.Users[i].User
		resolve(dir, &u.CertFile)
		resolve(dir, &u.KeyFile)
		resolve(dir, &u.TokenFile)
	}
}

func resolve(dir string, file *string) {
	if *file != "" && !filepath.IsAbs(*file) {
		*file = filepath.Join(dir, *file)
	}
}

// add adds what c does not have. Look-ups take the first of a name.
func (c *kubeconfig) add(more *kubeconfig) {
	if c.CurrentContext == "" {
		c.CurrentContext = more.CurrentContext
	}
	c.Clusters = append(c.Clusters, more.Clusters...)
	c.Contexts = append(c.Contexts, more.Contexts...)
	c.Users = append(c.Users, more.Users...)
}

// entries returns the cluster and the user of a context, "" for the current one.
func (c *kubeconfig) entries(context string) (*cluster, *user, error) {
	if context == "" {
		context = c.CurrentContext
	}
	if context == "" {
		return nil, nil, errors.New("no current-context; choose one: kubectl config use-context NAME")
	}
	for i := range c.Contexts {
		if c.Contexts[i].Name != context {
			continue
		}
		named := &c.Contexts[i].Context
		cluster, user := c.cluster(named.Cluster), c.user(named.User)
		switch {
		case cluster == nil:
			return nil, nil, fmt.Errorf("the cluster %q of the context %q does not exist; correct the context: kubectl config set-context", named.Cluster, context)
		case user == nil:
			return nil, nil, fmt.Errorf("the user %q of the context %q does not exist; correct the context: kubectl config set-context", named.User, context)
		}
		return cluster, user, nil
	}
	return nil, nil, fmt.Errorf("the context %q does not exist; choose one of: kubectl config get-contexts", context)
}

func (c *kubeconfig) cluster(name string) *cluster {
	for i := range c.Clusters {
		if c.Clusters[i].Name == name {
			return &c.Clusters[i].Cluster
		}
	}
	return nil
}

func (c *kubeconfig) user(name string) *user {
	for i := range c.Users {
		if c.Users[i].Name == name {
			return &c.Users[i].User
		}
	}
	return nil
}

// unsupported explains what of a user this daemon cannot do.
func (u *user) unsupported() error {
	const fix = "use a token: kubectl create token SERVICEACCOUNT"
	switch {
	case !u.Exec.IsZero() && u.Exec.Tag != "!!null":
		return errors.New("the user has an exec plugin (" + field(&u.Exec, "command") + "), which the daemon does not run; " + fix)
	case !u.AuthProvider.IsZero() && u.AuthProvider.Tag != "!!null":
		return errors.New("the user has the auth-provider " + field(&u.AuthProvider, "name") + ", which is not supported; " + fix)
	case u.Username != "":
		return errors.New("the user has a username and password, which Kubernetes does not accept any more; " + fix)
	case u.Impersonate != "":
		return errors.New("the user impersonates another (as), which is not supported; " + fix)
	}
	return nil
}

// field returns a text of a YAML mapping, for messages.
func field(n *yaml.Node, key string) string {
	var fields map[string]yaml.Node
	if n.Decode(&fields) == nil {
		if v, there := fields[key]; there && v.Kind == yaml.ScalarNode {
			return fmt.Sprintf("%.100s", v.Value)
		}
	}
	return "without a " + key
}

// reason returns the cause of a file error, without the system call and the file name.
func reason(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
