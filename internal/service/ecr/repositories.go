package ecr

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

// CreateRepository makes an empty repository.
func (a *API) CreateRepository(ctx context.Context, in *ecr.CreateRepositoryInput) (*ecr.CreateRepositoryOutput, error) {
	if err := checkName("repositoryName", deref(in.RepositoryName)); err != nil {
		return nil, err
	}
	if err := a.newRepositoryFaults(in).First(); err != nil {
		return nil, err
	}
	name := *in.RepositoryName
	repo := Repository{
		ID:         newRepositoryID(),
		Name:       name,
		CreatedAt:  time.Now().UTC().Truncate(time.Millisecond),
		ScanOnPush: in.ImageScanningConfiguration != nil && in.ImageScanningConfiguration.ScanOnPush,
	}
	repo.setMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	if err := repo.tag(in.Tags); err != nil {
		return nil, err
	}
	err := a.records.db.Update(ctx, func(tx store.Tx) error {
		_, err := repositories.Get(tx, name)
		if errors.Is(err, store.ErrNotFound) {
			return repositories.Put(tx, name, repo)
		}
		if err != nil {
			return fmt.Errorf("read repository %s: %w", name, err)
		}
		return &types.RepositoryAlreadyExistsException{Message: new(fmt.Sprintf("The repository with name '%s' already exists in the registry with id '%s'", name, a.records.ns.Account))}
	})
	if err != nil {
		return nil, err
	}
	return &ecr.CreateRepositoryOutput{Repository: new(a.records.wire(repo))}, nil
}

// newRepositoryFaults is what is wrong with a new repository, whatever is there, but for its name.
func (a *API) newRepositoryFaults(in *ecr.CreateRepositoryInput) (f awserr.Faults) {
	if in.RegistryId != nil {
		f.Add(a.ownRegistry("registryId", *in.RegistryId))
	}
	f.Add(mutabilityFaults(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)...)
	f.Add(checkEncryption(in.EncryptionConfiguration))
	f.Add(tagFaults(in.Tags)...)
	return f
}

func checkEncryption(e *types.EncryptionConfiguration) error {
	if e == nil {
		return nil
	}
	if e.EncryptionType != types.EncryptionTypeAes256 {
		return invalid("The value '%s' of 'encryptionConfiguration.encryptionType' is not supported by Skylift, only AES256.", e.EncryptionType)
	}
	return nil
}

// wire is the repository as the API shows it.
func (r *Records) wire(repo Repository) types.Repository {
	return types.Repository{
		CreatedAt:                          &repo.CreatedAt,
		EncryptionConfiguration:            &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256},
		ImageScanningConfiguration:         &types.ImageScanningConfiguration{ScanOnPush: repo.ScanOnPush},
		ImageTagMutability:                 repo.Mutability,
		ImageTagMutabilityExclusionFilters: repo.filters(),
		RegistryId:                         &r.ns.Account,
		RepositoryArn:                      new(r.ns.ARN("ecr", "repository/"+repo.Name)),
		RepositoryName:                     &repo.Name,
		RepositoryUri:                      new(r.uri(repo.Name)),
	}
}

// DescribeRepositories describes those named, or all, page by page.
func (a *API) DescribeRepositories(ctx context.Context, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	if len(in.RepositoryNames) > 0 {
		return a.describeNamed(ctx, in)
	}
	if in.RegistryId != nil {
		if err := a.ownRegistry("registryId", *in.RegistryId); err != nil {
			return nil, err
		}
	}
	size, after, err := paging(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &ecr.DescribeRepositoriesOutput{}
	err = a.records.db.View(ctx, func(tx store.Tx) error {
		out.Repositories, out.NextToken = []types.Repository{}, nil
		for repo, err := range repositories.Scan(tx, "", after) {
			if err != nil {
				return fmt.Errorf("list repositories: %w", err)
			}
			if n := len(out.Repositories); n == size {
				out.NextToken = token(*out.Repositories[n-1].RepositoryName)
				return nil
			}
			out.Repositories = append(out.Repositories, a.records.wire(repo))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (a *API) describeNamed(ctx context.Context, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	if in.MaxResults != nil || in.NextToken != nil {
		return nil, invalid("Invalid request parameters: maxResults and nextToken cannot be used with repositoryNames")
	}
	for _, name := range in.RepositoryNames {
		if err := a.check(in.RegistryId, &name); err != nil {
			return nil, err
		}
	}
	out := &ecr.DescribeRepositoriesOutput{}
	err := a.records.db.View(ctx, func(tx store.Tx) error {
		out.Repositories = nil
		for _, name := range in.RepositoryNames {
			repo, err := a.records.repository(tx, name)
			if err != nil {
				return err
			}
			out.Repositories = append(out.Repositories, a.records.wire(repo))
		}
		return nil
	})
	if err != nil {
		return nil, forCaller(err)
	}
	return out, nil
}

// DeleteRepository removes a repository; one with images only by force. The
// images' records follow, and the registry reclaims their bytes.
func (a *API) DeleteRepository(ctx context.Context, in *ecr.DeleteRepositoryInput) (*ecr.DeleteRepositoryOutput, error) {
	if err := a.check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	var repo Repository
	err := a.records.db.Update(ctx, func(tx store.Tx) (err error) {
		if repo, err = a.records.repository(tx, *in.RepositoryName); err != nil {
			return err
		}
		if !in.Force {
			if err := a.empty(tx, repo); err != nil {
				return err
			}
		}
		return repositories.Delete(tx, repo.Name)
	})
	if err != nil {
		return nil, forCaller(err)
	}
	if err := a.records.sweepRepository(ctx, repo.ID); err != nil {
		return nil, err
	}
	return &ecr.DeleteRepositoryOutput{Repository: new(a.records.wire(repo))}, nil
}

func (a *API) empty(tx store.Tx, repo Repository) error {
	for _, err := range images.Scan(tx, imageKey(repo.ID, ""), "") {
		if err != nil {
			return fmt.Errorf("list images of %s: %w", repo.Name, err)
		}
		return &types.RepositoryNotEmptyException{Message: new(fmt.Sprintf("The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", repo.Name, a.records.ns.Account))}
	}
	return nil
}

// PutImageTagMutability changes whether tags may move.
func (a *API) PutImageTagMutability(ctx context.Context, in *ecr.PutImageTagMutabilityInput) (*ecr.PutImageTagMutabilityOutput, error) {
	if err := a.check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if err := mutabilityFaults(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters).First(); err != nil {
		return nil, err
	}
	var now Repository
	err := a.update(ctx, *in.RepositoryName, func(repo *Repository) error {
		repo.setMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
		now = *repo
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ecr.PutImageTagMutabilityOutput{
		ImageTagMutability:                 now.Mutability,
		ImageTagMutabilityExclusionFilters: now.filters(),
		RegistryId:                         &a.records.ns.Account,
		RepositoryName:                     in.RepositoryName,
	}, nil
}

// GetAuthorizationToken gives a login for docker that is good for 12 hours.
func (a *API) GetAuthorizationToken(_ context.Context, in *ecr.GetAuthorizationTokenInput) (*ecr.GetAuthorizationTokenOutput, error) {
	ids := in.RegistryIds //nolint:staticcheck // deprecated on AWS, and sent by get-login
	for _, id := range ids {
		if err := a.ownRegistry("registryIds", id); err != nil {
			return nil, err
		}
	}
	expires := time.Now().Add(loginLife).UTC().Truncate(time.Second)
	login := base64.StdEncoding.EncodeToString([]byte(user + ":" + a.records.password(expires)))
	return &ecr.GetAuthorizationTokenOutput{AuthorizationData: []types.AuthorizationData{{
		AuthorizationToken: &login,
		ExpiresAt:          &expires,
		ProxyEndpoint:      new("http://" + a.records.host),
	}}}, nil
}

const defaultPage, largestPage = 100, 1000

// paging reads how many results are wanted, and after which.
func paging(maxResults *int32, nextToken *string) (size int, after string, err error) {
	size = defaultPage
	if maxResults != nil {
		size = int(*maxResults)
	}
	if size < 1 {
		return 0, "", constraint("maxResults", "must have value greater than or equal to 1")
	}
	if size > largestPage {
		return 0, "", constraint("maxResults", "must have value less than or equal to 1000")
	}
	b, err := base64.RawURLEncoding.DecodeString(deref(nextToken))
	if err != nil {
		return 0, "", invalid("Invalid parameter at 'nextToken': it is not one that this operation returned")
	}
	return size, string(b), nil
}

// token carries on after the result with that key.
func token(last string) *string { return new(base64.RawURLEncoding.EncodeToString([]byte(last))) }
