// Package python tells where this machine has Pythons and their packages, without
// running one.
package python

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
)

// Executables returns the Pythons to try, best first: the one that the environment
// variable ATTUNE_PYTHON names, those of VIRTUAL_ENV and CONDA_PREFIX, and python3
// on PATH. They need not exist but for the last.
func Executables() []string {
	var all []string
	if exe := os.Getenv("ATTUNE_PYTHON"); exe != "" {
		if found, err := exec.LookPath(exe); err == nil {
			exe = found
		}
		all = append(all, exe)
	}
	for _, name := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		switch prefix := os.Getenv(name); {
		case prefix == "":
		case runtime.GOOS == "windows" && name == "VIRTUAL_ENV":
			all = append(all, filepath.Join(prefix, "Scripts", "python.exe"))
		case runtime.GOOS == "windows":
			all = append(all, filepath.Join(prefix, "python.exe"))
		default:
			all = append(all, filepath.Join(prefix, "bin", "python"))
		}
	}
	for _, name := range []string{"python3", "python"} {
		if exe, err := exec.LookPath(name); err == nil {
			all = append(all, exe)
			break
		}
	}
	return all
}

// Packages returns the folders of packages (site-packages) that the [Executables]
// would look into, and those of the user, which exist.
func Packages() []string {
	var prefixes []string
	for _, exe := range Executables() {
		prefixes = append(prefixes, prefixOf(exe))
		if real, err := filepath.EvalSymlinks(exe); err == nil { // of a virtual environment: what it was made from
			prefixes = append(prefixes, prefixOf(real))
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		prefixes = append(prefixes, filepath.Join(home, ".local"))
	}
	if runtime.GOOS != "windows" {
		prefixes = append(prefixes, "/usr/local")
	}
	var folders []string
	for _, prefix := range prefixes {
		for _, pattern := range []string{"lib/python3*/site-packages", "lib64/python3*/site-packages", "lib/python3*/dist-packages", "Lib/site-packages"} {
			found, _ := filepath.Glob(filepath.Join(prefix, filepath.FromSlash(pattern))) // fails for a malformed pattern only
			for _, folder := range found {
				if !slices.Contains(folders, folder) {
					folders = append(folders, folder)
				}
			}
		}
	}
	return folders
}

// prefixOf returns the folder that holds the bin or Scripts folder of exe, or exe itself.
func prefixOf(exe string) string {
	folder := filepath.Dir(exe)
	if base := filepath.Base(folder); base == "bin" || base == "Scripts" {
		return filepath.Dir(folder)
	}
	return folder
}
