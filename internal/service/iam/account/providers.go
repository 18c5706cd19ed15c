package account

import (
	"context"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

func (a *Account) providerOperations() []wire.Operation {
	const on = "oidc-provider: OpenIDConnectProviderArn"
	return []wire.Operation{
		wire.Op("AddClientIDToOpenIDConnectProvider", a.AddClientIDToOpenIDConnectProvider).On(on).Takes("ClientID OpenIDConnectProviderArn"),
		wire.Op("CreateOpenIDConnectProvider", a.CreateOpenIDConnectProvider).MakesFound("oidc-provider: Url", issuers).Takes("ClientIDList Tags{*} ThumbprintList Url"),
		wire.Op("DeleteOpenIDConnectProvider", a.DeleteOpenIDConnectProvider).On(on).Takes("OpenIDConnectProviderArn"),
		wire.Op("GetOpenIDConnectProvider", a.GetOpenIDConnectProvider).On(on).Takes("OpenIDConnectProviderArn"),
		wire.Op("ListOpenIDConnectProviderTags", a.ListOpenIDConnectProviderTags).On(on).Takes("Marker MaxItems OpenIDConnectProviderArn"),
		wire.Op("ListOpenIDConnectProviders", a.ListOpenIDConnectProviders),
		wire.Op("RemoveClientIDFromOpenIDConnectProvider", a.RemoveClientIDFromOpenIDConnectProvider).On(on).Takes("ClientID OpenIDConnectProviderArn"),
		wire.Op("TagOpenIDConnectProvider", a.TagOpenIDConnectProvider).On(on).Takes("OpenIDConnectProviderArn Tags{*}"),
		wire.Op("UntagOpenIDConnectProvider", a.UntagOpenIDConnectProvider).On(on).Takes("OpenIDConnectProviderArn TagKeys"),
		wire.Op("UpdateOpenIDConnectProviderThumbprint", a.UpdateOpenIDConnectProviderThumbprint).On(on).Takes("OpenIDConnectProviderArn ThumbprintList"),
	}
}

// Quotas of providers (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const (
	maxProviders   = 100
	maxClients     = 100
	maxThumbprints = 5
)

// issuers are URLs without "https://".
func issuers(_ context.Context, urls []string) (list []string) {
	for _, u := range urls {
		list = append(list, issuer(u))
	}
	return list
}

func issuer(u string) string {
	return strings.TrimPrefix(strings.TrimPrefix(u, "https://"), "http://")
}

// checkIssuer refuses a URL that no issuer can have. A port is allowed here, since issuers of one's own have one, and so is plain HTTP to one on
// this machine.
func checkIssuer(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && !onThisMachine(u) || u.Host == "":
		return record.Invalid("Invalid Open ID Connect Provider URL")
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return record.Input("The URL must not contain a query, a fragment or a user.")
	}
	return nil
}

func onThisMachine(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

var thumbprint = regexp.MustCompile(`^[0-9A-Fa-f]{40}$`)

func checkThumbprints(list []string) error {
	if len(list) > maxThumbprints {
		return record.Input("Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	for _, t := range list {
		if !thumbprint.MatchString(t) {
			return record.Invalid("Invalid thumbprint: it must be 40 hexadecimal digits.")
		}
	}
	return nil
}

func noProvider(arn string) error {
	return record.NoSuch("OpenIDConnect Provider not found for arn %s", arn)
}

// CreateOpenIDConnectProvider makes a provider, whose tokens roles may trust.
func (a *Account) CreateOpenIDConnectProvider(ctx context.Context, in *iam.CreateOpenIDConnectProviderInput) (*iam.CreateOpenIDConnectProviderOutput, error) {
	if err := checkIssuer(*in.Url); err != nil {
		return nil, err
	}
	if err := checkThumbprints(in.ThumbprintList); err != nil {
		return nil, err
	}
	if len(in.ClientIDList) > maxClients {
		return nil, record.Exceeds("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClients)
	}
	tags, err := record.AddTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := record.Provider{Issuer: issuer(*in.Url), Created: record.Now(), Clients: in.ClientIDList, Thumbprints: in.ThumbprintList, Tags: tags}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreateOpenIDConnectProviderOutput, error) {
		if _, there, err := handler.Find(tx, record.Providers, p.Issuer); err != nil {
			return nil, err
		} else if there {
			return nil, record.Exists("Provider with url https://%s already exists.", p.Issuer)
		}
		if n, err := record.Count(record.Providers.Peek(tx, "")); err != nil {
			return nil, err
		} else if n >= maxProviders {
			return nil, record.Exceeds("Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", maxProviders)
		}
		return &iam.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: new(a.ARN("oidc-provider/" + p.Issuer)), Tags: record.TagType.To(tags)},
			record.Providers.Put(tx, p.Issuer, p)
	})
}

// key is the key of the provider with that ARN.
func (a *Account) key(arn string) string { return strings.TrimPrefix(arn, a.ARN("oidc-provider/")) }

func (a *Account) provider(ctx context.Context, arn string) (record.Provider, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (record.Provider, error) {
		return handler.Get(tx, record.Providers, a.key(arn), func(string) error { return noProvider(arn) })
	})
}

func (a *Account) changeProvider(ctx context.Context, arn string, change func(*record.Provider) error) error {
	return a.DB.Update(ctx, func(tx store.Tx) error {
		_, err := handler.Change(tx, record.Providers, a.key(arn), func(string) error { return noProvider(arn) }, change)
		return err
	})
}

// GetOpenIDConnectProvider describes a provider. Its URL is without "https://".
func (a *Account) GetOpenIDConnectProvider(ctx context.Context, in *iam.GetOpenIDConnectProviderInput) (*iam.GetOpenIDConnectProviderOutput, error) {
	p, err := a.provider(ctx, *in.OpenIDConnectProviderArn)
	return &iam.GetOpenIDConnectProviderOutput{
		Url: &p.Issuer, ClientIDList: append([]string{}, p.Clients...), ThumbprintList: append([]string{}, p.Thumbprints...), CreateDate: &p.Created, Tags: record.TagType.To(p.Tags),
	}, err
}

// ListOpenIDConnectProviders lists the ARNs of all providers.
func (a *Account) ListOpenIDConnectProviders(ctx context.Context, _ *iam.ListOpenIDConnectProvidersInput) (*iam.ListOpenIDConnectProvidersOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListOpenIDConnectProvidersOutput, error) {
		out := &iam.ListOpenIDConnectProvidersOutput{OpenIDConnectProviderList: []types.OpenIDConnectProviderListEntry{}}
		for p, err := range record.Providers.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			out.OpenIDConnectProviderList = append(out.OpenIDConnectProviderList, types.OpenIDConnectProviderListEntry{Arn: new(a.ARN("oidc-provider/" + p.Issuer))})
		}
		return out, nil
	})
}

// DeleteOpenIDConnectProvider deletes a provider; where there is none it does nothing.
func (a *Account) DeleteOpenIDConnectProvider(ctx context.Context, in *iam.DeleteOpenIDConnectProviderInput) (*iam.DeleteOpenIDConnectProviderOutput, error) {
	return &iam.DeleteOpenIDConnectProviderOutput{}, a.DB.Update(ctx, func(tx store.Tx) error {
		return record.Providers.Delete(tx, a.key(*in.OpenIDConnectProviderArn))
	})
}

// AddClientIDToOpenIDConnectProvider adds an audience; a second time does nothing.
func (a *Account) AddClientIDToOpenIDConnectProvider(ctx context.Context, in *iam.AddClientIDToOpenIDConnectProviderInput) (*iam.AddClientIDToOpenIDConnectProviderOutput, error) {
	return &iam.AddClientIDToOpenIDConnectProviderOutput{}, a.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *record.Provider) error {
		switch {
		case slices.Contains(p.Clients, *in.ClientID):
			return nil
		case len(p.Clients) >= maxClients:
			return record.Exceeds("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClients)
		}
		p.Clients = append(p.Clients, *in.ClientID)
		return nil
	})
}

// RemoveClientIDFromOpenIDConnectProvider removes an audience; where there is none it does nothing.
func (a *Account) RemoveClientIDFromOpenIDConnectProvider(ctx context.Context, in *iam.RemoveClientIDFromOpenIDConnectProviderInput) (*iam.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	return &iam.RemoveClientIDFromOpenIDConnectProviderOutput{}, a.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *record.Provider) error {
		p.Clients = slices.DeleteFunc(p.Clients, func(c string) bool { return c == *in.ClientID })
		return nil
	})
}

// UpdateOpenIDConnectProviderThumbprint replaces the thumbprints.
func (a *Account) UpdateOpenIDConnectProviderThumbprint(ctx context.Context, in *iam.UpdateOpenIDConnectProviderThumbprintInput) (*iam.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	if err := checkThumbprints(in.ThumbprintList); err != nil {
		return nil, err
	}
	return &iam.UpdateOpenIDConnectProviderThumbprintOutput{}, a.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *record.Provider) error {
		p.Thumbprints = in.ThumbprintList
		return nil
	})
}

// TagOpenIDConnectProvider adds tags.
func (a *Account) TagOpenIDConnectProvider(ctx context.Context, in *iam.TagOpenIDConnectProviderInput) (*iam.TagOpenIDConnectProviderOutput, error) {
	return &iam.TagOpenIDConnectProviderOutput{}, a.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *record.Provider) (err error) {
		p.Tags, err = record.AddTags(p.Tags, in.Tags)
		return err
	})
}

// UntagOpenIDConnectProvider removes tags.
func (a *Account) UntagOpenIDConnectProvider(ctx context.Context, in *iam.UntagOpenIDConnectProviderInput) (*iam.UntagOpenIDConnectProviderOutput, error) {
	return &iam.UntagOpenIDConnectProviderOutput{}, a.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *record.Provider) error {
		p.Tags = record.WithoutTags(p.Tags, in.TagKeys)
		return nil
	})
}

// ListOpenIDConnectProviderTags lists the tags of a provider.
func (a *Account) ListOpenIDConnectProviderTags(ctx context.Context, in *iam.ListOpenIDConnectProviderTagsInput) (*iam.ListOpenIDConnectProviderTagsOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	p, err := a.provider(ctx, *in.OpenIDConnectProviderArn)
	part, next := handler.Cut(page, record.TagType.To(p.Tags), func(t types.Tag) string { return *t.Key })
	return &iam.ListOpenIDConnectProviderTagsOutput{Tags: part, IsTruncated: next != nil, Marker: next}, err
}
