package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"gopkg.in/ini.v1"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/instance"
)

type envCmd struct {
	dataDir
	Profile string `help:"Write an AWS profile of this name instead." placeholder:"NAME"`
	Output  string `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

// access is what a client needs to speak to an instance.
type access struct {
	Endpoint        string `json:"AWS_ENDPOINT_URL"`
	AccessKeyID     string `json:"AWS_ACCESS_KEY_ID"`
	SecretAccessKey string `json:"AWS_SECRET_ACCESS_KEY"`
	Region          string `json:"AWS_DEFAULT_REGION"`
}

// accessTo reads what the data directory keeps.
func accessTo(dir string) (access, error) {
	is, err := instance.Load(dir)
	if errors.Is(err, instance.ErrNone) {
		return access{}, fmt.Errorf("no Skylift has run with data directory %s: start one with skylift serve, or name its --data-dir", dir)
	}
	if err != nil {
		return access{}, err
	}
	key, err := credential.Load(dir)
	if errors.Is(err, fs.ErrPermission) {
		return access{}, fmt.Errorf("the root key of %s can be read by its owner only: use sudo", dir)
	}
	if err != nil {
		return access{}, err
	}
	return access{"http://" + is.Listen, key.AccessKeyID, key.SecretAccessKey, is.Region}, nil
}

func (e envCmd) Run(c console) error {
	a, err := accessTo(e.DataDir)
	if err != nil {
		return err
	}
	return a.show(c, e.Profile, e.Output)
}

// show prints what a client needs, or writes it to a profile where one is named.
func (a access) show(c console, profile, output string) error {
	if profile != "" {
		return a.writeProfile(c.err, profile)
	}
	if output == "json" {
		return printJSON(c.out, a)
	}
	_, err := fmt.Fprintf(c.out, "export AWS_ENDPOINT_URL=%s\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\nexport AWS_DEFAULT_REGION=%s\n",
		a.Endpoint, a.AccessKeyID, a.SecretAccessKey, a.Region)
	return err
}

// writeProfile puts the profile into the AWS configuration files and leaves
// what else is in them.
func (a access) writeProfile(w io.Writer, name string) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return fmt.Errorf("find the home directory: %w", err)
	}
	config := envOr("AWS_CONFIG_FILE", filepath.Join(home, ".aws", "config"))
	credentials := envOr("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, ".aws", "credentials"))
	section := "profile " + name
	if name == "default" {
		section = name
	}
	if err := edit(config, section, map[string]string{"region": a.Region, "endpoint_url": a.Endpoint}); err != nil {
		return err
	}
	if err := edit(credentials, name, map[string]string{"aws_access_key_id": a.AccessKeyID, "aws_secret_access_key": a.SecretAccessKey}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "wrote profile %s to %s and %s; use it with: aws --profile %s …\n", name, config, credentials, name)
	return err
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// edit sets keys of a section in an INI file, which only its owner may read.
func edit(path, section string, keys map[string]string) error {
	f, err := ini.LooseLoad(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for k, v := range keys {
		f.Section(section).Key(k).SetValue(v)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make %s: %w", filepath.Dir(path), err)
	}
	var text bytes.Buffer
	if _, err := f.WriteTo(&text); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := atomicfile.Write(path, text.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
