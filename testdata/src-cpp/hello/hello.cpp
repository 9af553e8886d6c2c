// Tells which machine it was compiled for, through a library of its own and the C++ standard library.
#include <iostream>
#include <string>

#include "machine.hpp"

int main(int argc, char **argv) {
    const std::string whom = argc > 1 ? argv[1] : "world";
    std::cout << "hello " << whom << " from " << machine() << '\n';
    return 0;
}
