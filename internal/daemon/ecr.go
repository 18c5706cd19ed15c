package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdksm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/disk"
	engineimage "github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecr/cache"
	"github.com/skylift/skylift/internal/service/ecr/expiry"
	"github.com/skylift/skylift/internal/service/ecr/layers"
	"github.com/skylift/skylift/internal/service/ecr/link"
	"github.com/skylift/skylift/internal/service/ecr/policies"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/service/ecr/scan"
	"github.com/skylift/skylift/internal/service/ecr/templates"
	"github.com/skylift/skylift/internal/service/ecs/tidy"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/service/secretsmanager"
)

var ecrService = service{make: (*builder).ecr, tables: record.Tables, dirs: []string{registryDir}}

// ecr makes ECR and the registry, which serves what ECR's records say.
func (b *builder) ecr(ctx context.Context) (part, error) {
	m := b.m
	records, err := record.Open(ctx, m.db, m.ns, m.is.Listen)
	if err != nil {
		return part{}, fmt.Errorf("open the repositories: %w", err)
	}
	who := policies.New(records, principals{b.identity})
	patterns := templates.New(records, who, b.templateRoles())
	places, err := m.upstreams()
	if err != nil {
		return part{}, err
	}
	through := cache.New(records, patterns, upstreamSecrets{b.secrets}, places, m.Log)
	blobs, err := registry.New(ctx, registry.Config{
		Root: filepath.Join(m.DataDir, registryDir), Records: registryRecords{records, patterns, through}, Upstream: through, Log: m.Log,
		MaxRequests: m.limits.budget.Blobs, Full: func() bool { return m.disk.Reached(disk.NoPushes) },
	})
	if err != nil {
		return part{}, fmt.Errorf("open the registry: %w", err)
	}
	through.Into(blobs)
	if e, ok := m.Engine.(interface {
		UseRegistry(host string, r engineimage.Registry)
	}); ok {
		e.UseRegistry(m.is.Listen, blobs)
	}
	b.images = ecr.New(records, blobs)
	b.images.Through(through)
	users := expiry.NewUsers(records, tidy.Users)
	lifecycles := expiry.NewAPI(records, users)
	downloads := link.New(m.is.Listen, records)
	pushes := layers.New(records, patterns, blobs, downloads)
	scans := scan.New(records, m.vulnerabilities)
	scanner := scan.NewScanner(records, blobs, m.vulnerabilities, m.Log)
	return part{
		name: "ecr", title: "ECR", api: registryAPI{b.images, pushes, lifecycles, who, patterns, through, scans}, tagged: b.images, own: who,
		operations: slices.Concat(b.images.Operations(), pushes.Operations(), lifecycles.Operations(), who.Operations(), patterns.Operations(), through.Operations(), scans.Operations()),
		term: map[string]Runner{
			"registry":   blobs,
			"ecr/expiry": m.sourced("ecr/expiry", expiry.NewApplier(records, users, m.Log)),
			"ecr/scan":   m.loop("ecr/scan", scanner, 1, scanner.Sources()...), // one image at a time
		},
		always: map[string]Runner{"ecr/cache": through, "ecr/vulnerabilities": m.vulnerabilities},
		mounts: []gateway.Mount{layerMount(m.ns, downloads, blobs), {Prefix: "/v2/", Door: registryDoor{m.ns, records, blobs}, Handler: blobs}},
	}, nil
}

// registryAPI is ECR's handlers.
type registryAPI struct {
	imageAPI
	layerAPI
	lifecycleAPI
	policyAPI
	templateAPI
	cacheAPI
	scanAPI
}

type (
	imageAPI     = *ecr.API
	layerAPI     = *layers.API
	lifecycleAPI = *expiry.API
	policyAPI    = *policies.API
	templateAPI  = *templates.API
	cacheAPI     = *cache.API
	scanAPI      = *scan.API
)

// registryRecords is ECR's records as the registry sees them.
type registryRecords struct {
	*record.Records
	templates *templates.API
	through   *cache.API
}

// Resolve returns the digest that ref stands for, here or in the registry that the repository stands for.
func (r registryRecords) Resolve(ctx context.Context, name, ref string) (string, error) {
	return r.through.Resolve(ctx, name, ref)
}

// ForPush fails unless there is such a repository, or a template makes it.
func (r registryRecords) ForPush(ctx context.Context, name string) error {
	return r.templates.ForPush(ctx, name)
}

// templateRoles is IAM as the templates of repositories see it.
type templateRoles struct{ executionRoles }

func (b *builder) templateRoles() templateRoles {
	return templateRoles{executionRoles{taskRoles: &taskRoles{iam: b.identity, account: b.m.ns.Account}, known: b.m.known(b.made), region: b.m.is.Region, own: ownPolicies(b.made)}}
}

// As returns a context in which a role is judged that ECR assumes.
func (r templateRoles) As(ctx context.Context, role string) (context.Context, error) {
	s, err := r.iam.Assume(ctx, role, session.Request{Caller: session.Service("ecr.amazonaws.com", role, r.account, time.Now()), Name: "ecr-template"})
	if errors.Is(err, session.ErrDenied) {
		return ctx, awserr.New("ValidationException", "ECR was unable to assume the role '%s'. Please verify that the role exists and its trust policy allows ecr.amazonaws.com to assume it.", role)
	}
	if err != nil {
		return ctx, err
	}
	return caller.WithJudge(ctx, roleJudge{executionRoles: r.executionRoles, Session: s, began: time.Now()}.allowed), nil
}

// upstreamSecrets is Secrets Manager as the pull through cache sees it.
type upstreamSecrets struct{ *secretsmanager.API }

// Secret reads a secret's text.
func (s upstreamSecrets) Secret(ctx context.Context, arn string) (string, error) {
	out, err := s.GetSecretValue(ctx, &sdksm.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.SecretString), nil
}

// principals is IAM as the policies of resources see it.
type principals struct{ iam *iam.API }

// UniqueID returns the unique id of the user or role that has an ARN.
func (p principals) UniqueID(ctx context.Context, arn string) (id string, ok bool, err error) {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	if strings.Contains(arn, ":role/") {
		r, ok, err := p.iam.RoleNamed(ctx, name)
		return r.ID, ok && r.ARN == arn, err
	}
	u, ok, err := p.iam.UserNamed(ctx, name)
	return u.ID, ok && u.ARN == arn, err
}

// registryDir is where in the data directory the images are.
const registryDir = "registry"
