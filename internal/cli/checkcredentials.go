package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/terminal"
)

// checkTimeout bounds each call of check --credentials, SSO and credential_process included.
const checkTimeout = 30 * time.Second

// tries gets credentials once each, as the daemon would, and asks STS whose they are.
type tries struct {
	options sts.Options // all share its MFA sessions
	prompt  *terminal.Prompt
	done    map[[32]byte]try // by Spec.Key
}

// try is how one attempt has ended.
type try struct {
	text string
	err  error
}

// checkCredentials tries the file's own credentials and those of all roles, or only those of the roles that are named, each once.
func checkCredentials(cmd *cobra.Command, loaded *config.Loaded, named []string) error {
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, "\n# the credentials it hands out")
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	t := &tries{
		options: sts.Options{Log: log}.WithDefaults(),
		prompt:  terminal.NewPrompt(os.Stdin, cmd.ErrOrStderr()),
		done:    map[[32]byte]try{},
	}
	if len(loaded.Config.Roles) == 0 {
		text, err := t.own(cmd.Context(), loaded)
		if err == nil {
			fmt.Fprintln(out, text)
		}
		return err
	}
	var roles []string
	for _, role := range named {
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	all, failed := len(roles), 0
	report := func(name, text string, err error) {
		if err != nil {
			text = err.Error()
			failed++
		}
		fmt.Fprintln(out, name+": "+text)
	}
	if len(roles) == 0 {
		roles = slices.Sorted(maps.Keys(loaded.Config.Roles))
		all = len(roles) + 1
		text, err := t.own(cmd.Context(), loaded)
		report("the file's own", text, err)
	}
	for _, role := range roles {
		text, err := t.try(cmd.Context(), app.SpecOfRole(loaded, role))
		report("role "+role, text, err)
		if cmd.Context().Err() != nil {
			return errors.New("interrupted")
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d have no credentials; each line says why", failed, all)
	}
	return nil
}

// own tries the file's own credentials.
func (t *tries) own(ctx context.Context, loaded *config.Loaded) (text string, err error) {
	c := loaded.Config
	if instance.RoleOf(&c.Instance) == "" {
		return "none: neither credentials.iam_role nor credentials.source_profile is set", nil
	}
	return t.try(ctx, app.SpecOf(c))
}

// try says whose credentials a Spec gives, and until when. It calls STS once for equal Specs.
func (t *tries) try(ctx context.Context, spec credentials.Spec) (text string, err error) {
	key := spec.Key()
	if done, ok := t.done[key]; ok {
		return done.text, done.err
	}
	text, err = t.call(ctx, spec)
	t.done[key] = try{text, err}
	return text, err
}

func (t *tries) call(ctx context.Context, spec credentials.Spec) (text string, err error) {
	got, err := t.retrieve(ctx, sts.NewProvider(spec, t.options))
	if err != nil {
		return "", fmt.Errorf("no credentials: %w", err)
	}
	if spec.Mock {
		return "made up (credentials.mock), as " + lasting(got.ARN, got.Expiration), nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	arn, err := sts.New(spec, t.options).CallerIdentity(ctx, got)
	if err != nil {
		return "", fmt.Errorf("STS issued credentials, but refuses them: %w", err)
	}
	return "you would be " + lasting(arn, got.Expiration), nil
}

// retrieve gets credentials once. It asks on the terminal for the MFA codes that this needs.
func (t *tries) retrieve(ctx context.Context, p credentials.Provider) (*credentials.Credentials, error) {
	call := func(ctx context.Context) (*credentials.Credentials, error) {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		return p.Retrieve(ctx)
	}
	got, err := call(ctx)
	if needs, ok := errors.AsType[*credentials.NeedsMFA](err); ok && !terminal.Attached() {
		return nil, fmt.Errorf("a code of the MFA device %s is needed; run this on a terminal, where it asks for the code", needs.Serial)
	}
	for range 5 {
		needs, ok := errors.AsType[*credentials.NeedsMFA](err)
		if !ok {
			return got, err
		}
		code, ok := t.prompt.Ask(ctx, needs.Serial)
		if !ok {
			return nil, err
		}
		if err := credentials.CheckMFACode(strings.TrimSpace(code)); err != nil {
			t.prompt.Say(err.Error())
			continue
		}
		got, err = call(credentials.WithMFACode(ctx, strings.TrimSpace(code)))
		if needs, ok := errors.AsType[*credentials.NeedsMFA](err); ok {
			t.prompt.Say(needs.Error())
		}
	}
	return nil, err
}

// lasting says what is valid, and until when.
func lasting(what string, end time.Time) string {
	return what + " until " + end.UTC().Format(time.RFC3339)
}
