package kubecli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/cluster"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/profile"
	"mock-ec2-metadata/internal/sts"
)

// accountTimeout bounds the question whose account the profile's is.
const accountTimeout = 20 * time.Second

// plan is what up does.
type plan struct {
	loaded   *config.Loaded // as this machine judges wishes by
	manifest manifest.Options
	secret   string // credentials file for the Secret; "" for none
}

// plan makes the plan: the configuration of the cluster's daemons and their objects.
func (p *Program) plan(ctx context.Context, cmd *cobra.Command, u *upFlags) (*plan, error) {
	file, text, err := p.readConfig(cmd)
	if err != nil {
		return nil, err
	}
	set, err := cmd.Flags().GetStringArray("set")
	if err != nil {
		return nil, err
	}
	for _, arg := range set {
		if key, value, _ := strings.Cut(arg, "="); hasExternalID(key, value) {
			return nil, cli.UsageError(fmt.Errorf("--set %s: the cluster's objects would show the external id; write it into a file for --config", key))
		}
	}
	load := func(own []string) (*config.Loaded, error) {
		src := config.Sources{File: file, Set: append(own, set...), Profile: p.readProfile}
		if file == "" {
			src.Text = text
		}
		return config.Load(src)
	}
	own, err := p.settings(ctx, u, text, load)
	if err != nil {
		return nil, err
	}
	loaded, err := load(own)
	if err != nil {
		return nil, err
	}
	if len(loaded.Files) > 0 {
		return nil, fmt.Errorf("%s: it names the file %s, which the pods do not have; write its content into the configuration", loaded.Name(), loaded.Files[0])
	}
	public, err := withoutExternalIDs(text)
	if err != nil {
		return nil, err
	}
	if needsExternalIDs(u.credentials) && !bytes.Equal(public, text) {
		public = text
		loaded.Warnings = append(loaded.Warnings, "the ConfigMap shows the external ids of "+loaded.Name()+
			": the daemon needs them there; --credentials relay keeps them on this machine")
	}
	if loaded.Authorization != "" {
		loaded.Warnings = append(loaded.Warnings, "the ConfigMap shows ecs.authorization of "+loaded.Name()+
			": who can read it there can send it; the daemon needs it")
	}
	o := manifest.Default()
	o.Config, o.Set, o.Credentials, o.MountPath = string(public), append(own, set...), u.credentials, u.mount
	o.PodIdentity, o.Region = loaded.Config.PodIdentity.Enabled, loaded.Config.AWS.Region
	o.ServiceAccounts, o.Namespaces = annotated(loaded.Config)
	if o.User, err = userOf(loaded, o.User); err != nil {
		return nil, err
	}
	pl := &plan{loaded: loaded, manifest: o}
	if u.credentials == manifest.Secret {
		pl.secret, err = p.secretFile(ctx, cmd, u, loaded)
	}
	return pl, err
}

// settings are the keys that the flags of up set.
func (p *Program) settings(ctx context.Context, u *upFlags, text []byte, load func([]string) (*config.Loaded, error)) ([]string, error) {
	own := []string{"kubernetes.enabled=true"}
	if u.role != "" {
		own = append(own, "kubernetes.rules.default_role="+u.role)
	}
	if u.credentials == manifest.Mock {
		own = append(own, "credentials.mock=true")
	} else {
		own = append(own, "credentials.mock=false")
		configured := "" // what is wrong with the file is reported when it is loaded again
		if first, err := loadWithoutAccount(load, own); err == nil {
			configured = first.Config.Credentials.SourceProfile
		}
		own = append(own, "credentials.source_profile="+p.profileName(u, configured))
	}
	if role, err := arn.Parse(u.role); err == nil && !setsBaseRole(text) {
		return append(own, "kubernetes.base_role_arn=arn:"+role.Partition+":iam::"+role.AccountID+":role/"), nil
	}
	if loaded, err := load(own); err == nil && loaded.Config.Kubernetes.BaseRoleARN != "" || u.credentials == manifest.Mount || u.credentials == manifest.Mock {
		return own, nil
	}
	loaded, err := loadWithoutAccount(load, own)
	if err != nil {
		return own, nil //nolint:nilerr // it is loaded again, and reported then
	}
	identity, err := identityOf(ctx, loaded)
	if err != nil {
		return nil, fmt.Errorf("%w\nup asks STS for the account of the profile, whose roles pods name; to do without, set kubernetes.base_role_arn", err)
	}
	caller, err := arn.Parse(identity.ARN)
	if err != nil {
		return nil, err
	}
	return append(own, "kubernetes.base_role_arn=arn:"+caller.Partition+":iam::"+caller.AccountID+":role/"), nil
}

// setsBaseRole reports whether a configuration says what stands before names of roles.
func setsBaseRole(text []byte) bool {
	var c struct {
		Kubernetes struct {
			BaseRoleARN string `yaml:"base_role_arn"`
		}
	}
	return yaml.Unmarshal(text, &c) == nil && c.Kubernetes.BaseRoleARN != ""
}

// loadWithoutAccount is load where the rules may name roles of an account that is not known yet, with a made-up one in its place.
func loadWithoutAccount(load func([]string) (*config.Loaded, error), own []string) (*config.Loaded, error) {
	loaded, err := load(own)
	if err == nil || !strings.Contains(err.Error(), config.NoAccount) {
		return loaded, err
	}
	return load(append(own, "kubernetes.base_role_arn=arn:aws:iam::000000000000:role/"))
}

// identityOf asks STS who the profile is.
func identityOf(ctx context.Context, loaded *config.Loaded) (sts.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, accountTimeout)
	defer cancel()
	c := loaded.Config
	prof, err := sts.New(credentials.Spec{Profile: c.Credentials.SourceProfile, Region: c.AWS.Region}, sts.Options{}).Profile(ctx)
	if err != nil {
		return sts.Identity{}, err
	}
	return prof.Identity(ctx)
}

func (p *Program) readProfile(name, _ string) config.Profile {
	home, _ := os.UserHomeDir()
	pl := profile.ReadPlace(name, home)
	return config.Profile{
		Found: pl.File != "", From: "profile " + pl.Name + " (" + pl.File + ")", Region: pl.Region, RoleARN: pl.RoleARN, SSORegion: pl.SSORegion,
	}
}

// userOf is the uid that the daemon has when it serves.
func userOf(loaded *config.Loaded, standard int64) (int64, error) {
	user := loaded.Config.Server.User
	if user == "" {
		return standard, nil
	}
	uid, err := strconv.ParseInt(user, 10, 64)
	if err != nil || uid <= 0 {
		return 0, fmt.Errorf("server.user: %q is not the number of a user, who is not root: pods have no names of users", user)
	}
	return uid, nil
}

// secretFile is the content of the Secret: the profile's keys.
func (p *Program) secretFile(ctx context.Context, cmd *cobra.Command, u *upFlags, loaded *config.Loaded) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, accountTimeout)
	defer cancel()
	c := loaded.Config
	prof, err := sts.New(credentials.Spec{Profile: c.Credentials.SourceProfile, Region: c.AWS.Region}, sts.Options{}).Profile(ctx)
	if err != nil {
		return "", err
	}
	keys, err := prof.Keys(ctx)
	if err != nil {
		return "", err
	}
	got := cluster.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken}
	if keys.CanExpire {
		got.Expiration = keys.Expires
	}
	file, warning, err := cluster.CredentialsFile(c.Credentials.SourceProfile, got, u.longLived, time.Now())
	if err != nil {
		return "", err
	}
	if warning != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", warning)
	}
	return string(file), nil
}

// needsExternalIDs reports whether the daemons make the calls themselves.
func needsExternalIDs(mode string) bool { return mode == manifest.Mount || mode == manifest.Secret }

// openPlan finds the cluster of a plan.
func (p *Program) openPlan(cmd *cobra.Command, u *upFlags, pl *plan) (*cluster.Cluster, error) {
	return p.openObjects(cmd, &u.place, planned{objects{pl.manifest}, pl.secret})
}

// planned are the objects of a plan, with its Secret.
type planned struct {
	objects
	secret string
}

// Objects are all that stays in the cluster.
func (o planned) Objects(r cluster.Rendered) ([]byte, error) {
	all, err := o.objects.Objects(r)
	if err != nil || o.secret == "" {
		return all, err
	}
	secret := manifest.Encode(manifest.AWSFiles(o.rendered(r), "", o.secret))
	return append(append(all, "---\n"...), secret...), nil
}
