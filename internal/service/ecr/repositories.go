package ecr

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// CreateRepository makes an empty repository.
func (a *API) CreateRepository(ctx context.Context, in *ecr.CreateRepositoryInput) (*ecr.CreateRepositoryOutput, error) {
	if err := checkName("repositoryName", aws.ToString(in.RepositoryName)); err != nil {
		return nil, err
	}
	if err := a.newRepositoryFaults(in).First(); err != nil {
		return nil, err
	}
	name := *in.RepositoryName
	repo := Repository{
		ID:         id.Hex(16),
		Name:       name,
		CreatedAt:  time.Now().UTC().Truncate(time.Millisecond),
		ScanOnPush: in.ImageScanningConfiguration != nil && in.ImageScanningConfiguration.ScanOnPush,
	}
	repo.setMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	if err := repo.tag(in.Tags); err != nil {
		return nil, err
	}
	err := a.records.db.Update(ctx, func(tx store.Tx) error {
		_, exists, err := handler.Find(tx, repositories, name)
		if err != nil {
			return err
		}
		if exists {
			return &types.RepositoryAlreadyExistsException{Message: new(fmt.Sprintf("The repository with name '%s' already exists in the registry with id '%s'", name, a.records.ns.Account))}
		}
		return repositories.Put(tx, name, repo)
	})
	if err != nil {
		return nil, err
	}
	return &ecr.CreateRepositoryOutput{Repository: new(a.records.wire(repo))}, nil
}

// newRepositoryFaults is what is wrong with a request for a new repository, apart from its name, whatever repositories exist.
func (a *API) newRepositoryFaults(in *ecr.CreateRepositoryInput) (f awserr.Faults) {
	f.Add(a.ownRegistry("registryId", in.RegistryId))
	f.Add(mutabilityFaults(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)...)
	f.Add(checkEncryption(in.EncryptionConfiguration))
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
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
	if err := a.ownRegistry("registryId", in.RegistryId); err != nil {
		return nil, err
	}
	page, err := pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return view(ctx, a, func(tx store.Tx) (*ecr.DescribeRepositoriesOutput, error) {
		part, next, err := handler.Fill(page, repositories.Scan(tx, "", page.After), func(r Repository) string { return r.Name })
		if err != nil {
			return nil, fmt.Errorf("list repositories: %w", err)
		}
		out := &ecr.DescribeRepositoriesOutput{Repositories: []types.Repository{}, NextToken: next}
		for _, repo := range part {
			out.Repositories = append(out.Repositories, a.records.wire(repo))
		}
		return out, nil
	})
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
	return view(ctx, a, func(tx store.Tx) (*ecr.DescribeRepositoriesOutput, error) {
		out := &ecr.DescribeRepositoriesOutput{}
		for _, name := range in.RepositoryNames {
			repo, err := a.records.repository(tx, name)
			if err != nil {
				return nil, err
			}
			out.Repositories = append(out.Repositories, a.records.wire(repo))
		}
		return out, nil
	})
}

// DeleteRepository removes a repository. Force removes also one that has images:
// their records go after it, and the registry reclaims their bytes.
func (a *API) DeleteRepository(ctx context.Context, in *ecr.DeleteRepositoryInput) (*ecr.DeleteRepositoryOutput, error) {
	if err := a.check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	repo, err := update(ctx, a, func(tx store.Tx) (Repository, error) {
		repo, err := a.records.repository(tx, *in.RepositoryName)
		if err == nil && !in.Force {
			err = a.empty(tx, repo)
		}
		if err != nil {
			return repo, err
		}
		return repo, repositories.Delete(tx, repo.Name)
	})
	if err != nil {
		return nil, err
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
	now, err := a.change(ctx, *in.RepositoryName, func(repo *Repository) error {
		repo.setMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
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

// pages is how ECR cuts its lists
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html).
var pages = handler.Pages{
	Default: 100, Most: 1000,
	BadSize: func(size int) error {
		if size < 1 {
			return constraint("maxResults", "must have value greater than or equal to 1")
		}
		return constraint("maxResults", "must have value less than or equal to 1000")
	},
	BadToken: func(string) error {
		return invalid("Invalid parameter at 'nextToken': it is not one that this operation returned")
	},
}
