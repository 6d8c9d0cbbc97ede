// Package python finds the Pythons on this machine and their packages, without running
// them.
package python

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
)

// Executables returns the Pythons to try, best first: the one in the environment variable
// ATTUNE_PYTHON, those of VIRTUAL_ENV and CONDA_PREFIX, and python3 on PATH. Only the last
// is known to exist.
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

// Packages returns the existing package folders (site-packages) of the [Executables] and of
// the user.
func Packages() []string {
	var prefixes []string
	for _, exe := range Executables() {
		prefixes = append(prefixes, prefixOf(exe))
		if real, err := filepath.EvalSymlinks(exe); err == nil { // for a virtual environment, the Python that it was made from
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
			found, _ := filepath.Glob(filepath.Join(prefix, filepath.FromSlash(pattern))) // fails only for a malformed pattern
			for _, folder := range found {
				if !slices.Contains(folders, folder) {
					folders = append(folders, folder)
				}
			}
		}
	}
	return folders
}

// prefixOf returns the folder that contains the bin or Scripts folder of exe, or exe itself.
func prefixOf(exe string) string {
	folder := filepath.Dir(exe)
	if base := filepath.Base(folder); base == "bin" || base == "Scripts" {
		return filepath.Dir(folder)
	}
	return folder
}
