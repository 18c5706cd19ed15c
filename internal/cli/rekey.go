package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/skylift/skylift/internal/daemon"
)

// rootKey is the flags that say where the root key is.
type rootKey struct {
	RootKeyFile    string `name:"root-key-file" help:"File with the key that secrets are sealed under, 32 bytes in base64, instead of root.key in the data directory." env:"SKYLIFT_ROOT_KEY_FILE" placeholder:"FILE"`
	RootPassphrase bool   `name:"root-passphrase" help:"Derive that key from a passphrase, which is asked for at a terminal and read from the standard input elsewhere." env:"SKYLIFT_ROOT_PASSPHRASE"`
}

type rekeyCmd struct {
	dataDir
	rootKey
	NewRootKeyFile    string   `name:"new-root-key-file" help:"File with the new root key. Without it and without a new passphrase, a new key is made in the data directory." placeholder:"FILE"`
	NewRootPassphrase bool     `name:"new-root-passphrase" help:"Derive the new root key from a passphrase."`
	EtcdEndpoints     []string `help:"The etcd cluster that has the records." env:"SKYLIFT_ETCD_ENDPOINTS" placeholder:"URL"`
}

// Run seals everything under another root key. Skylift must not run meanwhile;
// tasks may.
func (r rekeyCmd) Run(ctx context.Context, c console) error {
	dir, err := filepath.Abs(r.DataDir)
	if err != nil {
		return err
	}
	ask := asker(c)
	now, err := ask.passphrase(r.RootPassphrase, "Passphrase of the root key: ")
	if err != nil {
		return err
	}
	next, err := ask.passphrase(r.NewRootPassphrase, "New passphrase: ")
	if err != nil {
		return err
	}
	err = daemon.Rekey(ctx, daemon.RekeyConfig{
		Config: daemon.Config{
			DataDir: dir, EtcdEndpoints: r.EtcdEndpoints, RootKeyFile: r.RootKeyFile, RootPassphrase: now, Log: logger(c.err, "text", "error"),
		},
		NewRootKeyFile: r.NewRootKeyFile, NewRootPassphrase: next,
	})
	if err == nil {
		_, err = fmt.Fprintln(c.out, "Everything is sealed under the new root key. The old key opens only older copies of the data.")
	}
	return err
}

// asking reads passphrases.
type asking struct {
	in    *os.File
	lines *bufio.Reader
	say   io.Writer
}

func asker(c console) asking { return asking{c.in, bufio.NewReader(c.in), c.err} }

// passphrase asks for one at a terminal, and elsewhere reads a line; "" when none
// is wanted.
func (a asking) passphrase(wanted bool, prompt string) (string, error) {
	if !wanted {
		return "", nil
	}
	var text string
	var err error
	if fd := int(a.in.Fd()); term.IsTerminal(fd) {
		var b []byte
		fmt.Fprint(a.say, prompt)
		b, err = term.ReadPassword(fd)
		fmt.Fprintln(a.say)
		text = string(b)
	} else if text, err = a.lines.ReadString('\n'); errors.Is(err, io.EOF) {
		err = nil
	}
	text = strings.TrimRight(text, "\r\n")
	if err == nil && text == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	return text, nil
}
