module github.com/attune-hpo/attune

go 1.25.0
