#pragma once

#include <string>

// The machine that the compiler was asked for, in the words of container platforms.
std::string machine();
