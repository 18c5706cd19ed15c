// Command generate makes managed.json.gz from AWS's managed policies.
//
// It needs a directory with one <name>.json for each, with arn, name, version, createdate, updatedate and
// document. A policy without an ARN is left out.
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/policy/managed"
)

func main() {
	repo := flag.String("repo", ".", "root of the repository")
	from := flag.String("policies", "", "directory of the managed policies (default ../shared/aws-iam/managed-policies beside the repository)")
	flag.Parse()
	dir := cmp.Or(*from, filepath.Join(*repo, "..", "shared", "aws-iam", "managed-policies"))
	if err := run(dir, filepath.Join(*repo, "internal", "policy", "managed", "managed.json.gz")); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// source is a policy as it is published.
type source struct {
	ARN, Name, Version     string
	CreateDate, UpdateDate time.Time
	Document               json.RawMessage
}

// written are two that are so short that the directory doesn't have them.
var written = []source{
	{
		"arn:aws:iam::aws:policy/AdministratorAccess", "AdministratorAccess", "v1",
		time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC), time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC),
		json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`),
	},
	{
		"arn:aws:iam::aws:policy/PowerUserAccess", "PowerUserAccess", "v12",
		time.Date(2015, 2, 6, 18, 39, 47, 0, time.UTC), time.Date(2026, 2, 12, 17, 59, 0, 0, time.UTC),
		json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},` +
			`{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetGovCloudAccountInformation","account:GetPrimaryEmail","account:ListRegions",` +
			`"iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeEffectivePolicy","organizations:DescribeOrganization"],"Resource":"*"}]}`),
	},
}

func run(dir, to string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no managed policies in %s: name their directory with -policies", dir)
	}
	sources := slices.Clone(written)
	for _, name := range files {
		var s source
		if b, err := os.ReadFile(name); err != nil {
			return err
		} else if err := json.Unmarshal(b, &s); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if s.ARN == "" {
			fmt.Fprintf(os.Stderr, "%s has no ARN\n", s.Name)
			continue
		}
		sources = append(sources, s)
	}
	var list []managed.Policy
	for _, s := range sources {
		p, err := s.policy()
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b managed.Policy) int { return cmp.Compare(a.Name, b.Name) })
	return write(to, list)
}

func (s source) policy() (managed.Policy, error) {
	var text bytes.Buffer
	if err := json.Compact(&text, s.Document); err != nil {
		return managed.Policy{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	if _, err := document.Parse(text.String()); err != nil {
		return managed.Policy{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	_, name, _ := strings.Cut(s.ARN, ":policy")
	sum := sha256.Sum256([]byte(s.ARN))
	updated := s.UpdateDate
	if updated.IsZero() {
		updated = s.CreateDate
	}
	return managed.Policy{
		ARN: s.ARN, Name: s.Name, Path: strings.TrimSuffix(path.Dir(name), "/") + "/", ID: "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17],
		Version: s.Version, Created: s.CreateDate.UTC(), Updated: updated.UTC(), Document: text.String(),
	}, nil
}

func write(to string, list []managed.Policy) error {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	e := json.NewEncoder(z)
	e.SetEscapeHTML(false)
	if err := e.Encode(list); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(to, packed.Bytes(), 0o644)
}
